"""Importing what a process needs, sooner."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Looks for no garbage in a block that imports, nor later in what is there by its end.

    What is imported stays until the process ends: to look for garbage in it takes an eighth of a
    start. Where all of it has been imported before, nothing is kept.
    """
    enabled, modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if len(sys.modules) > modules:
                gc.freeze()
            gc.enable()


def look_for_garbage() -> None:
    """Looks for garbage from here on, in a process that began without, but not in what is there."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
