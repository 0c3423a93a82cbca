"""What stops the stand-in, and what makes it refuse a file."""


class NodeError(Exception):
    """The command cannot go on; the text names the file or setting and what to do. Never holds a secret."""


class BadFileError(NodeError):
    """A file is missing, unreadable or not what neard would take."""
