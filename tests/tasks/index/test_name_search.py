from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.index.name_search import find_name
from tasks.index.rows import ArrayRows, Ids


class CountedRows(ArrayRows):
    """Rows that count how often they are asked for."""

    looks = 0

    def read_rows(self, rows: Ids, /) -> np.ndarray:
        self.looks += 1
        return super().read_rows(rows)


def made_names(count: int) -> list[str]:
    return [f"{2 * number:07}" for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, 511, 512, 513, 514, 30_000])
def test_every_name_is_found_where_it_is(count: int) -> None:
    names = made_names(count)
    rows = ArrayRows(np.array(names, np.str_))
    for row in {0, 1, count // 3, count - 2, count - 1} & set(range(count)):
        assert find_name(rows, names[row]) == (row, True)


@given(st.integers(0, 3000), st.text(max_size=7))
def test_a_name_that_is_missing_belongs_where_order_says(count: int, name: str) -> None:
    names = made_names(count)
    row, is_there = find_name(ArrayRows(np.array(names, np.str_)), name)
    assert (row, is_there) == (bisect_left(names, name), name in names)


def test_a_name_among_many_takes_few_looks() -> None:
    rows = CountedRows(np.array(made_names(1_000_000)))
    assert find_name(rows, "0123456") == (61_728, True)
    assert rows.looks <= 4
