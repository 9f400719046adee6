"""Whether there is memory: without it, what a decoder says of a file is not to be trusted."""

import numpy as np


def require_memory(size: int, what: str) -> None:
    """Tries to allocate some bytes, touches none of them, and gives them back.

    Args:
        size: how many.
        what: could not be read, for whoever has to give more memory.

    Raises:
        MemoryError: there are not that many.
    """
    try:
        np.empty(size, np.uint8)
    except MemoryError as error:
        raise MemoryError(f"too little to decode {what}") from error
