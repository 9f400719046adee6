from collections.abc import Callable

import faiss
import numpy as np
import pytest

from tasks.index.checks import IndexChecks, check_index
from tasks.index.rows import BATCH_ROWS, ArrayRows, Vectors
from tasks.index.vector_index import build_index
from tests.tasks.index.counted_rows import CountedRows

MakeVectors = Callable[[int, int], Vectors]


def build(vectors: Vectors, factory: str = "RaBitQfs") -> faiss.Index:
    return build_index(lambda: [vectors], (len(vectors), vectors.shape[1]), factory)


@pytest.mark.parametrize("factory", ["RaBitQfs", "IVF16,RaBitQfs", "Flat"])
def test_a_sound_index_passes(make_vectors: MakeVectors, factory: str) -> None:
    vectors = make_vectors(BATCH_ROWS + 500, 256)
    index = build(vectors, factory)
    checks = check_index(index, ArrayRows(vectors))
    assert checks.recall >= 0.95
    assert checks.self_hits == 1.0


def test_an_index_over_rows_in_another_order_fails(make_vectors: MakeVectors) -> None:
    vectors = make_vectors(BATCH_ROWS + 500, 64)
    index = build(vectors[::-1].copy(), "IVF64,RaBitQfs")
    checks = check_index(index, ArrayRows(vectors))
    assert checks.recall < 0.5
    assert checks.self_hits < 0.5


def test_recall_and_self_hits_are_shares_of_what_should_be_found() -> None:
    circle = np.radians(np.arange(0, 360, 0.1))
    vectors = np.stack([np.cos(circle), np.sin(circle)], axis=1).astype(np.float32)
    misplaced = vectors.copy()
    misplaced[1::2] *= -1
    index = build(misplaced, "IVF100,Flat")
    # Rows of a list of 3.6 degrees or so are found, if even. The 10 nearest are within 1 degree.
    faiss.extract_index_ivf(index).nprobe = 1
    checks = check_index(index, ArrayRows(vectors), sample=3600)
    assert checks.recall == pytest.approx(0.5, abs=0.1)
    assert checks.self_hits == pytest.approx(0.5)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_fewer_rows_than_asked_for_are_all_found(make_vectors: MakeVectors, count: int) -> None:
    vectors = make_vectors(count, 8)
    assert check_index(build(vectors), ArrayRows(vectors), k=10, sample=100).recall == 1.0


def test_exact_duplicates_and_zero_vectors_are_found_as_any_of_them(
    make_vectors: MakeVectors,
) -> None:
    vectors = np.repeat(make_vectors(4, 32), 300, axis=0)
    vectors[:300] = 0
    index = build(vectors)
    assert check_index(index, ArrayRows(vectors)) == IndexChecks(recall=1.0, self_hits=1.0)


def test_the_sample_is_the_same_for_the_same_seed(make_vectors: MakeVectors) -> None:
    vectors = make_vectors(1000, 16)
    index = build(vectors[::-1].copy(), "IVF64,RaBitQfs")
    checks = [check_index(index, ArrayRows(vectors), sample=20, seed=seed) for seed in (1, 1, 2)]
    assert checks[0] == checks[1] != checks[2]


def test_rows_are_read_as_they_pass_by_and_the_sample_before(make_vectors: MakeVectors) -> None:
    vectors, sample = make_vectors(BATCH_ROWS + 500, 256), 20
    rows = CountedRows(vectors)
    check_index(build(vectors, "Flat"), rows, sample=sample)  # which leaves nothing in doubt
    assert rows.read == len(vectors) + sample
