"""Memory that a search frees is kept for the next one."""

import numpy as np

# Blocks up to this size are kept, up to twice as much in all.
_KEPT = 16 * 2**20


def keep_freed_memory() -> None:
    """Lets this process keep what it frees, a bounded part of it.

    A search computes on some MB. glibc gives them back to the system, which clears each page as it
    hands it out again: that took most of the time of a search by vector. It keeps what is no larger
    than a block that has been freed before (mallopt(3), M_MMAP_THRESHOLD); this one is never
    touched, so it takes nothing.
    """
    np.empty(_KEPT, np.uint8)
