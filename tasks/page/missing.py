"""What the page asks for and is not there."""


class MissingError(LookupError):
    """There is no such image, release, run or thumbnail; the message says so in one line."""
