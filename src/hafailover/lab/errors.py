"""What goes wrong in the lab."""


class LabError(Exception):
    """Something in the lab could not be set up or did not do as told; the text says what and where."""


class LabTimeoutError(LabError, TimeoutError):
    """Something in the lab did not happen within its deadline."""
