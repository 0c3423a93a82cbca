"""What goes wrong with a localnet."""


class LocalnetError(Exception):
    """A localnet could not be made, read, started or stopped; the text says what and how to mend it."""
