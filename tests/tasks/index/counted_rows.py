"""Rows that count how many of them are read."""

from typing import Any

import numpy.typing as npt

from tasks.index.rows import ArrayRows, Ids


class CountedRows(ArrayRows):
    """Counts the rows that are read, and those at once; notes whether each read goes forward."""

    def __init__(self, array: npt.NDArray[Any]) -> None:
        super().__init__(array)
        self.read = self.at_once = 0
        self.in_order = True

    def read_rows(self, rows: Ids, /) -> npt.NDArray[Any]:
        self.read += len(rows)
        self.at_once = max(self.at_once, len(rows))
        self.in_order &= bool((rows[1:] > rows[:-1]).all())
        return super().read_rows(rows)
