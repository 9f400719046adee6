"""How many may be served at a time: whoever comes past that is told so at once."""

from collections.abc import Iterator
from contextlib import contextmanager


class BusyError(Exception):
    """All places are taken; ask again later."""


class Slots:
    """Places for requests, used from one thread, that of the event loop.

    Args:
        places: how many there are.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self.taken = 0

    @contextmanager
    def one(self) -> Iterator[None]:
        """Takes a place for the block.

        Raises:
            BusyError: none is free.
        """
        if self.taken >= self._places:
            raise BusyError
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1
