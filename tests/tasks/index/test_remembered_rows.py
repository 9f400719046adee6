import numpy as np

from tasks.index.rows import _REMEMBERED, ArrayRows, Ids, RememberedRows


class NotedRows(ArrayRows):
    """Rows that note which of them were asked for."""

    def __init__(self, array: np.ndarray) -> None:
        super().__init__(array)
        self.asked: list[int] = []

    def read_rows(self, rows: Ids, /) -> np.ndarray:
        self.asked += rows.tolist()
        return super().read_rows(rows)


def test_no_row_is_fetched_twice() -> None:
    stored = NotedRows(np.arange(40).reshape(20, 2))
    rows = RememberedRows(stored)
    for wanted in ([3, 1], [1, 5, 3, 7], [7, 1], []):
        assert (
            rows.read_rows(np.array(wanted, np.int64)) == np.arange(40).reshape(20, 2)[wanted]
        ).all()
    assert stored.asked == [3, 1, 5, 7]


def test_not_all_rows_of_a_large_catalogue_are_held() -> None:
    array = np.arange(3 * _REMEMBERED)[:, np.newaxis]
    rows = RememberedRows(ArrayRows(array))
    for start in range(0, len(array), 1000):
        wanted = np.arange(start, min(start + 1000, len(array)))
        assert (rows.read_rows(wanted) == array[wanted]).all()
    assert len(rows._known) <= _REMEMBERED  # pylint: disable=protected-access  # what it holds


def test_of_rows_that_pass_by_those_are_held_that_are_worth_it() -> None:
    stored = NotedRows(np.arange(40).reshape(20, 2))
    rows = RememberedRows(stored, 2, np.array([3, 7]))
    assert (rows.read_rows(np.arange(20)) == np.arange(40).reshape(20, 2)).all()
    assert (rows.read_rows(np.array([7, 3, 8])) == [[14, 15], [6, 7], [16, 17]]).all()
    assert stored.asked == [*range(20), 8]
