"""The one error that people see: what is wrong and what to do about it, in one line."""


class UserError(Exception):
    """Something a person can put right.

    The command line prints the message alone, without a traceback, and exits with status 2. The
    message is one
    line: what is wrong, then what to do.
    """
