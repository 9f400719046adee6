"""Starts the command line: `python -m tasks <task> …`."""

import atexit
import gc
import os
import sys
from importlib import import_module

# Else it is run by another program, such as a profiler, which has things to do afterwards.
_IS_OUR_PROCESS = sys.orig_argv[1:3] == ["-m", "tasks"]


class _Ending:
    """Ends the process when all else is done that is to be done at the end.

    What was imported is not taken apart before, object by object: a twentieth of a search.
    """

    status = 1

    def __call__(self) -> None:
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None: closed by who started it
            stream.flush()
        os._exit(self.status)  # pylint: disable=protected-access  # has no other name


if __name__ == "__main__":
    ending = _Ending()
    if _IS_OUR_PROCESS:
        atexit.register(ending)  # before any other, so that it is called after them
    # What is imported stays until the end: to look for garbage in it takes a twentieth of a search.
    gc.disable()
    # Tasks need none; to look for them among all that is installed takes some milliseconds.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        import_module("tasks.command_line").app(prog_name="python -m tasks")
    except SystemExit as end:
        ending.status = int(end.code or 0)
        raise
