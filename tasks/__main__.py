"""Starts the command line: `python -m tasks <task> …`."""

import atexit
import gc
from importlib import import_module

if __name__ == "__main__":
    # What is imported stays until the end. To look for garbage in it would take a twentieth of a
    # search now, and a tenth when the interpreter ends.
    gc.disable()
    atexit.register(gc.freeze)
    import_module("tasks.command_line").app(prog_name="python -m tasks")
