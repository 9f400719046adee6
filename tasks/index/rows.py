"""Rows of an array that is stored somewhere: what the index needs to know of storage, no more."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]

BATCH_ROWS = 2048
# As many candidates as any ranking looks at again.
_REMEMBERED = 1024


class RowReader(Protocol):
    """An array of which a few rows can be read at a time."""

    def __len__(self) -> int:
        """Returns the number of rows."""

    def read_rows(self, rows: Ids, /) -> npt.NDArray[Any]:
        """Returns the given rows, shape (len(rows), …), in the order asked for."""


class ArrayRows:
    """The rows of an array in memory or of a memory map."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        self._array = array

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self._array)

    def read_rows(self, rows: Ids, /) -> npt.NDArray[Any]:
        """Returns the given rows, shape (len(rows), …), in the order asked for."""
        return np.asarray(self._array[rows])


class RememberedRows:
    """The rows of an array; the first thousand are not fetched twice. For one search, no longer.

    Args:
        rows: of the array.
        most: how many are not fetched twice.
        worth: which these are; the first ones, by default.
    """

    def __init__(self, rows: RowReader, most: int = _REMEMBERED, worth: Ids | None = None) -> None:
        self._rows, self._most = rows, most
        self._worth = None if worth is None else set(worth.tolist())
        self._known: dict[int, npt.NDArray[Any]] = {}

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self._rows)

    def read_rows(self, rows: Ids, /) -> npt.NDArray[Any]:
        """Returns the given rows, shape (len(rows), …), in the order asked for."""
        wanted = rows.tolist()
        known = self._known
        new = [row for row in wanted if row not in known]
        if new or not wanted:
            found = self._rows.read_rows(np.array(new, np.int64))
            fetched = dict(zip(new, found, strict=True))
            known.update(islice(self._worthy(fetched), self._most - len(known)))
            if len(new) == len(wanted):
                return found
            known = known | fetched
        return np.stack([known[row] for row in wanted])

    def _worthy(
        self, fetched: dict[int, npt.NDArray[Any]]
    ) -> Iterable[tuple[int, npt.NDArray[Any]]]:
        if self._worth is None:
            return fetched.items()
        # Copied: else they would hold all that came with them.
        return ((row, fetched[row].copy()) for row in fetched if row in self._worth)


def read_batches(rows: RowReader, ids: Ids, size: int = BATCH_ROWS) -> Iterator[npt.NDArray[Any]]:
    """Reads the rows `ids` in this order, in batches of `size` at most: of bounded memory."""
    for start in range(0, len(ids), size):
        yield rows.read_rows(ids[start : start + size])
