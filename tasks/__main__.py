"""Starts the command line: `python -m tasks <task> …`."""

import atexit
import gc
import os
from importlib import import_module

if __name__ == "__main__":
    # What is imported stays until the end. To look for garbage in it would take a twentieth of a
    # search now, and a tenth when the interpreter ends.
    gc.disable()
    atexit.register(gc.freeze)
    # Tasks need none; to look for them among all that is installed takes some milliseconds.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    import_module("tasks.command_line").app(prog_name="python -m tasks")
