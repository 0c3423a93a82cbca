"""The two ways in which a run cannot take place."""


class Skip(Exception):
    """Something that a machine may lack is not there; the text says what, and how to get it."""


class Broken(Exception):
    """Something that should have worked did not."""
