"""Rows of an array that is stored somewhere: what the index needs to know of storage, no more."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]

BATCH_ROWS = 2048


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
    """The rows of an array; those read last are not fetched again. For one search, no longer."""

    def __init__(self, rows: RowReader) -> None:
        self._rows = rows
        self._last: dict[int, npt.NDArray[Any]] = {}

    def __len__(self) -> int:
        """Returns the number of rows."""
        return len(self._rows)

    def read_rows(self, rows: Ids, /) -> npt.NDArray[Any]:
        """Returns the given rows, shape (len(rows), …), in the order asked for."""
        wanted = rows.tolist()
        if wanted and self._last.keys() >= set(wanted):
            return np.stack([self._last[row] for row in wanted])
        found = self._rows.read_rows(rows)
        self._last = dict(zip(wanted, found, strict=True))
        return found


def read_batches(rows: RowReader, ids: Ids) -> Iterator[npt.NDArray[Any]]:
    """Reads the rows `ids` in this order, in batches of bounded memory."""
    for start in range(0, len(ids), BATCH_ROWS):
        yield rows.read_rows(ids[start : start + BATCH_ROWS])
