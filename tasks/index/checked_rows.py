"""Rows that are compared with their checksums as they are read: a search reads few of millions."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.index.rows import Ids, RowReader
from tasks.lake.store import DamagedError

Checksums = npt.NDArray[np.uint32]


def row_checksums(rows: npt.NDArray[Any]) -> Checksums:
    """Returns the CRC-32 of the bytes of each row, (n,), of rows (n, …)."""
    if not rows.size:
        return np.zeros(len(rows), np.uint32)
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1).view(np.uint8)
    return np.array([zlib.crc32(row.data) for row in flat], np.uint32)


class ChecksumsOf:
    """The checksums of rows that pass by in batches, in order."""

    def __init__(self, batches: Iterable[npt.NDArray[Any]]) -> None:
        self._batches = batches
        self._found = [np.zeros(0, np.uint32)]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        for batch in self._batches:
            self._found.append(row_checksums(batch))
            yield batch

    def checksums(self) -> Checksums:
        """Returns those of all rows that have passed by, (n,)."""
        return np.concatenate(self._found)


class CheckedRows:
    """The rows of a stored array, each what it was when its release was made.

    Args:
        rows: of which a few are read at a time.
        checksums: (N,), of all of them.
        place: where they are, for whoever has to repair it.
    """

    def __init__(self, rows: RowReader, checksums: Checksums, place: str) -> None:
        self._rows, self._checksums, self._place = rows, checksums, place

    def __len__(self) -> int:
        return len(self._rows)

    def read_rows(self, rows: Ids, /) -> npt.NDArray[Any]:
        """Returns the given rows, shape (len(rows), …), in the order asked for.

        Raises:
            DamagedError: one of them is not what was stored.
        """
        found = self._rows.read_rows(rows)
        wrong = np.flatnonzero(row_checksums(found) != self._checksums[rows])
        if wrong.size:
            raise DamagedError(f"{self._place} is damaged: row {rows[wrong[0]]} is another one")
        return found
