from collections.abc import Callable

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tasks.index.cosine import get_cosine_similarity, normalize
from tasks.index.nearest import OVERSAMPLE, Nearest, find_nearest_to_each
from tasks.index.rows import ArrayRows, RowReader, Vectors
from tasks.index.vector_index import build_index, propose
from tests.tasks.index.counted_rows import CountedRows

MakeVectors = Callable[[int, int], Vectors]


def build(vectors: Vectors, factory: str = "RaBitQfs") -> faiss.Index:
    return build_index(lambda: [vectors], (len(vectors), vectors.shape[1]), factory)


def find_nearest(
    index: faiss.Index,
    vectors: RowReader,
    query: Vectors,
    n: int,
    oversample: int = OVERSAMPLE,
    *,
    more: int = 0,
) -> Nearest:
    (found,) = find_nearest_to_each(index, vectors, query[np.newaxis], n, oversample, more=more)
    return found


def brute_force(vectors: Vectors, query: Vectors, n: int) -> list[tuple[int, float]]:
    scores = get_cosine_similarity(vectors.astype(np.float64), query)
    ranked = sorted(enumerate(scores.tolist()), key=lambda hit: (-hit[1], hit[0]))
    return ranked[:n]


# Few values and dimensions, so that duplicates, zero vectors and ties turn up all the time.
small_catalogues = st.tuples(st.integers(1, 40), st.integers(1, 9)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.5, 1.0, 3.0]))
)


@given(
    vectors=small_catalogues, row=st.integers(0, 39), n=st.integers(1, 50), scale=st.floats(0, 9)
)
def test_a_small_catalogue_is_ranked_as_by_brute_force(
    vectors: Vectors, row: int, n: int, scale: float
) -> None:
    query = np.float32(scale) * vectors[row % len(vectors)]
    ids, scores = find_nearest(build(vectors), ArrayRows(vectors), query, n)
    assert list(zip(ids.tolist(), scores.tolist(), strict=True)) == brute_force(vectors, query, n)


@pytest.mark.parametrize("factory", ["RaBitQfs", "RR64,RaBitQfs", "Flat"])
@pytest.mark.parametrize("n", [1, 5, 20, 299, 300, 1000])
def test_a_large_catalogue_is_ranked_as_by_brute_force(
    make_vectors: MakeVectors, factory: str, n: int
) -> None:
    vectors = make_vectors(300, 64)
    index = build(vectors, factory)
    for query in vectors[:10]:
        ids, scores = find_nearest(index, ArrayRows(vectors), query, n)
        assert list(zip(ids.tolist(), scores.tolist(), strict=True)) == brute_force(
            vectors, query, n
        )


@pytest.mark.parametrize(
    ("n", "oversample", "candidates"), [(1, 10, 100), (20, 10, 200), (20, 30, 600)]
)
def test_only_candidates_are_read(
    make_vectors: MakeVectors, n: int, oversample: int, candidates: int
) -> None:
    vectors = make_vectors(2000, 32)
    rows = CountedRows(vectors)
    find_nearest(build(vectors, "Flat"), rows, vectors[0], n, oversample)
    assert rows.read == candidates


@given(
    vectors=small_catalogues,
    rows=st.lists(st.integers(0, 39), max_size=9),
    n=st.integers(1, 50),
    more=st.integers(0, 50),
)
def test_several_queries_find_what_each_finds_alone(
    vectors: Vectors, rows: list[int], n: int, more: int
) -> None:
    stored, index = ArrayRows(vectors), build(vectors)
    queries = vectors[[row % len(vectors) for row in rows]]
    together = find_nearest_to_each(index, stored, queries, n, more=more)
    for query, (ids, scores) in zip(queries, together, strict=True):
        alone = find_nearest(index, stored, query, n, more=more)
        assert (ids.tolist(), scores.tolist()) == (alone[0].tolist(), alone[1].tolist())


@pytest.mark.parametrize("wanted_at_once", [1, 1000, 2**20])
def test_several_queries_read_a_row_once_a_round(
    make_vectors: MakeVectors, monkeypatch: pytest.MonkeyPatch, wanted_at_once: int
) -> None:
    monkeypatch.setattr("tasks.index.nearest._WANTED_AT_ONCE", wanted_at_once)
    vectors = make_vectors(1500, 256)
    vectors[500:900] = make_near_copies(vectors[0], 400)  # which want a second round, and a third
    rows, index = CountedRows(vectors), build(vectors)
    queries = vectors[np.arange(0, 1500, 50)]
    found = find_nearest_to_each(index, rows, queries, 5)
    if wanted_at_once > len(queries) * len(vectors):
        assert rows.in_order
        assert rows.read <= 3 * len(vectors)
    for query, (ids, scores) in zip(queries, found, strict=True):
        alone = find_nearest(index, ArrayRows(vectors), query, 5)
        assert (ids.tolist(), scores.tolist()) == (alone[0].tolist(), alone[1].tolist())


def make_near_copies(vector: Vectors, count: int) -> Vectors:
    noise = np.random.default_rng(0).normal(1, 0.01, size=(count, len(vector)))
    return (vector * noise).astype(np.float32)


def test_more_near_copies_than_candidates_are_told_apart(make_vectors: MakeVectors) -> None:
    vectors = make_vectors(1500, 256)
    vectors[500:900] = make_near_copies(vectors[0], 400)
    index = build(vectors)
    for query in vectors[500:900:20]:
        ids, scores = find_nearest(index, ArrayRows(vectors), query, 5)
        assert list(zip(ids.tolist(), scores.tolist(), strict=True)) == brute_force(
            vectors, query, 5
        )


def test_a_search_among_thousands_of_copies_ends_and_reads_no_row_twice() -> None:
    vectors = np.ones((7000, 16), dtype=np.float32)
    vectors[0, 0] = 9
    rows = CountedRows(vectors)
    find_nearest(build(vectors), rows, vectors[1], 1)
    assert 6400 <= rows.read <= len(vectors)
    assert rows.at_once <= 128


def test_an_index_that_proposes_too_few_is_made_up_for(make_vectors: MakeVectors) -> None:
    vectors = make_vectors(900, 16)
    index = build(vectors, "IVF128,Flat")
    faiss.extract_index_ivf(index).nprobe = 1
    for n in (50, 80):
        ids, scores = find_nearest(index, ArrayRows(vectors), vectors[3], n)
        assert list(zip(ids.tolist(), scores.tolist(), strict=True)) == brute_force(
            vectors, vectors[3], n
        )


def test_a_query_in_the_very_centre_of_the_catalogue_finds_its_equals() -> None:
    vectors = np.ones((500, 16), dtype=np.float32)
    index = build(vectors)
    assert propose(index, normalize(vectors[:1]), 200)[0].max() == -1  # else the fallback can go
    ids, scores = find_nearest(index, ArrayRows(vectors), vectors[0], 3)
    assert (ids.tolist(), scores.tolist()) == ([0, 1, 2], [1, 1, 1])


def test_duplicates_come_in_row_order(make_vectors: MakeVectors) -> None:
    vectors = np.tile(make_vectors(100, 64), (5, 1))
    index = build(vectors)
    for row in range(100):
        ids, scores = find_nearest(index, ArrayRows(vectors), vectors[row], 5)
        assert ids.tolist() == [row, row + 100, row + 200, row + 300, row + 400]
        assert set(scores.tolist()) == {1.0}


def test_nothing_is_similar_to_a_zero_vector(make_vectors: MakeVectors) -> None:
    vectors = make_vectors(500, 8)
    ids, scores = find_nearest(build(vectors), ArrayRows(vectors), np.zeros(8, np.float32), 3)
    assert (ids.tolist(), scores.tolist()) == ([0, 1, 2], [0, 0, 0])


def test_a_near_copy_does_not_displace_the_row_itself(make_vectors: MakeVectors) -> None:
    vectors = make_vectors(50, 64)
    vectors[0] = vectors[1]
    vectors[0, np.argmax(vectors[0])] *= np.float32(1.0001)
    ids, scores = find_nearest(build(vectors), ArrayRows(vectors), vectors[1], 2)
    assert ids.tolist() == [1, 0]
    assert scores[0] == 1.0 > scores[1] > 0.99999999
