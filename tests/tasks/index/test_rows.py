from pathlib import Path

import numpy as np

from tasks.index.rows import BATCH_ROWS, ArrayRows, read_batches


def test_the_rows_of_a_memory_map_are_read_in_the_order_asked_for(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "rows.npy", array)
    rows = ArrayRows(np.load(tmp_path / "rows.npy", mmap_mode="r"))
    assert len(rows) == 4
    np.testing.assert_array_equal(rows.read_rows(np.array([2, 0, 2])), array[[2, 0, 2]])


def test_batches_are_bounded_and_make_up_the_rows_asked_for() -> None:
    ids = np.arange(2 * BATCH_ROWS + 1)[::-1]
    batches = list(read_batches(ArrayRows(np.arange(len(ids))), ids))
    assert [len(batch) for batch in batches] == [BATCH_ROWS, BATCH_ROWS, 1]
    np.testing.assert_array_equal(np.concatenate(batches), ids)


def test_no_rows_make_no_batches() -> None:
    assert not list(read_batches(ArrayRows(np.arange(3)), np.arange(0)))
