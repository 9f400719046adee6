"""The one error that people see: what is wrong and what to do about it, in one line."""


class UserError(Exception):
    """Something a person can put right.

    The command line prints the message alone, without a traceback, and exits with status 2. The
    message is one
    line: what is wrong, then what to do.
    """


def first_line(error: Exception) -> str:
    """Returns what an error of another library says; more lines are for those who work on that."""
    return (str(error).splitlines() or [type(error).__name__])[0]
