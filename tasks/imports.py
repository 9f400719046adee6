"""Importing what a process needs, sooner."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def importing() -> Iterator[None]:
    """Looks for no garbage in a block that imports, nor later in what is there by its end.

    What is imported stays until the process ends: to look for garbage in it takes an eighth of a
    start.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            look_for_garbage()


def look_for_garbage() -> None:
    """Begins to look for garbage in what is made from here on."""
    gc.freeze()
    gc.enable()
