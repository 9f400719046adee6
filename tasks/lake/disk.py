"""A disk that is full: how that is told."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Also of a quota that is used up.
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT))


def is_full(error: OSError) -> bool:
    """Tells whether an error means that there is no space left."""
    return error.errno in _FULL


@contextmanager
def naming_full_disk(folder: Path) -> Iterator[None]:
    """Adds the folder to the error that a full disk gives in this block, which names nothing."""
    try:
        yield
    except OSError as error:
        if error.errno is None or not is_full(error):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(folder)) from error
