"""Starts the command line: `python -m tasks <task> …`."""

import atexit
import gc
import os
import sys
from contextlib import suppress
from importlib import import_module


class _Ending:
    """Ends the process once its threads and all other exit functions are done.

    What was imported is not taken apart before, object by object: a twentieth of a search. Without
    a status the process ends as any other.
    """

    status: int | None = None

    def __call__(self) -> None:
        if self.status is not None:
            with suppress(OSError, ValueError):  # else the interpreter will tell
                for stream in filter(None, (sys.stdout, sys.stderr)):  # None: closed by the caller
                    stream.flush()
                os._exit(self.status)  # pylint: disable=protected-access  # has no other name


def _is_alone() -> bool:
    """Tells whether no other program, such as a profiler, has things to do after the end."""
    # pylint: disable-next=protected-access  # the functions registered first are called last
    return sys.orig_argv[1:3] == ["-m", "tasks"] and not atexit._ncallbacks()


if __name__ == "__main__":
    ending = _Ending()
    if _is_alone():
        atexit.register(ending)
    # What is imported stays until the end: to look for garbage in it takes a twentieth of a search.
    gc.disable()
    # Tasks need none; to look for them among all that is installed takes some milliseconds.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        import_module("tasks.command_line").app(prog_name="python -m tasks")
    except SystemExit as end:
        ending.status = end.code if isinstance(end.code, int) else None
        raise
