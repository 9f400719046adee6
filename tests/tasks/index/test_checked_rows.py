import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.index.checked_rows import CheckedRows, ChecksumsOf, row_checksums
from tasks.index.rows import ArrayRows
from tasks.lake.store import DamagedError

VECTORS = np.random.default_rng(0).standard_normal((20, 8)).astype(np.float32)
NAMES = np.array(["a.jpg", "Ä.png", "", "long name.jpg"])


@pytest.mark.parametrize("rows", [VECTORS, NAMES, VECTORS[:0], NAMES[:0]])
def test_a_checksum_is_the_crc_32_of_the_bytes_of_a_row(rows: np.ndarray) -> None:
    assert row_checksums(rows).tolist() == [
        zlib.crc32(rows[row : row + 1].tobytes()) for row in range(len(rows))
    ]


def test_checksums_do_not_depend_on_the_batches() -> None:
    batches = ChecksumsOf(np.split(VECTORS, [3, 4, 11]))
    assert np.array_equal(np.concatenate(list(batches)), VECTORS)
    assert np.array_equal(batches.checksums(), row_checksums(VECTORS))


@given(row=st.integers(0, 19), bit=st.integers(0, 8 * 32 - 1))
def test_no_bit_of_a_row_can_flip_unnoticed(row: int, bit: int) -> None:
    damaged = VECTORS.copy()
    damaged[row].view(np.uint8)[bit // 8] ^= 1 << bit % 8
    rows = CheckedRows(ArrayRows(damaged), row_checksums(VECTORS), "vectors.npy")
    with pytest.raises(DamagedError, match=rf"vectors\.npy is damaged: row {row} is another one"):
        rows.read_rows(np.array([1, row, 2]))
    others = np.delete(np.arange(20), row)
    assert np.array_equal(rows.read_rows(others), VECTORS[others])
