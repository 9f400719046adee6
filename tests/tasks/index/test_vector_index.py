from collections.abc import Callable, Iterable
from pathlib import Path

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import UserError
from tasks.index.cosine import normalize
from tasks.index.rows import Vectors
from tasks.index.vector_index import build_index, propose, read_index, write_index

MakeVectors = Callable[[int, int], Vectors]


def build(vectors: Vectors, factory: str = "RaBitQfs", batch_rows: int = 100) -> faiss.Index:
    def batches() -> Iterable[Vectors]:
        return (vectors[i : i + batch_rows] for i in range(0, len(vectors), batch_rows))

    return build_index(batches, (len(vectors), vectors.shape[1]), factory)


def serialized(index: faiss.Index) -> bytes:
    return bytes(faiss.serialize_index(index))


@pytest.mark.parametrize("count", [1, 2, 31, 33, 200])
@pytest.mark.parametrize("dimensions", [2, 7, 100])
@pytest.mark.parametrize("factory", ["RaBitQfs", "Flat"])
def test_small_catalogues_of_odd_dimensions_propose_every_row_once(
    make_vectors: MakeVectors, count: int, dimensions: int, factory: str
) -> None:
    query = normalize(np.linspace(1, 2, dimensions))[np.newaxis]
    proposed, _ = propose(build(make_vectors(count, dimensions), factory), query, count + 40)
    assert proposed.shape == (1, count + 40)
    assert sorted(proposed[0, :count]) == list(range(count))
    assert set(proposed[0, count:]) == {-1}


@pytest.mark.parametrize("factory", ["RaBitQfs", "IVF16,RaBitQfs", "Flat"])
def test_the_nearest_row_is_proposed_first_or_soon(make_vectors: MakeVectors, factory: str) -> None:
    vectors = make_vectors(700, 256)
    proposed, _ = propose(build(vectors, factory), normalize(vectors), 10)
    assert (proposed == np.arange(700)[:, np.newaxis]).any(axis=1).all()


@given(batch_rows=st.integers(1, 250))
def test_the_index_does_not_depend_on_how_the_vectors_are_cut(
    make_vectors: MakeVectors, batch_rows: int
) -> None:
    vectors = make_vectors(200, 16)
    whole = build(vectors, batch_rows=200)
    assert serialized(build(vectors, batch_rows=batch_rows)) == serialized(whole)


def test_the_training_sample_does_not_depend_on_how_the_vectors_are_cut(
    make_vectors: MakeVectors,
) -> None:
    vectors = make_vectors(25_001, 2)  # more than are trained on
    indexes = {serialized(build(vectors, batch_rows=rows)) for rows in (1, 999, 30_000)}
    assert len(indexes) == 1


@pytest.mark.parametrize("factory", ["RaBitQfs", "IVF4,RaBitQfs", "Flat"])
def test_building_twice_gives_the_same_bytes(make_vectors: MakeVectors, factory: str) -> None:
    vectors = make_vectors(300, 64)
    assert serialized(build(vectors, factory)) == serialized(build(vectors, factory))


def test_the_length_of_the_vectors_does_not_matter(make_vectors: MakeVectors) -> None:
    vectors = make_vectors(100, 32)
    assert serialized(build(vectors * 1024)) == serialized(build(vectors))


@pytest.mark.parametrize("factory", ["RaBitQfs", "IVF4,RaBitQfs"])
def test_zero_vectors_can_be_indexed(make_vectors: MakeVectors, factory: str) -> None:
    vectors = make_vectors(100, 32)
    vectors[::2] = 0
    index = build(vectors, factory)
    ids, estimates = propose(index, normalize(vectors[1:2]), 100)
    assert ids[0, 0] == 1
    assert not np.isnan(estimates).any()


def test_vectors_that_are_all_zero_can_be_indexed() -> None:
    assert build(np.zeros((40, 16), dtype=np.float32)).ntotal == 40


def test_an_inverted_file_searches_an_eighth_of_its_lists_or_eight(
    make_vectors: MakeVectors,
) -> None:
    vectors = make_vectors(300, 8)
    indexes = [build(vectors, f"IVF{lists},Flat") for lists in (4, 16, 128)]
    assert [faiss.extract_index_ivf(index).nprobe for index in indexes] == [4, 8, 16]


def test_the_searched_lists_are_written_with_the_index(
    make_vectors: MakeVectors, tmp_path: Path
) -> None:
    write_index(build(make_vectors(300, 8), "IVF16,RaBitQfs"), tmp_path / "image_index.faiss")
    again = read_index(tmp_path / "image_index.faiss")
    assert faiss.extract_index_ivf(again).nprobe == 8


@pytest.mark.parametrize("factory", ["RaBitQfs", "IVF4,RaBitQfs", "Flat"])
def test_an_index_proposes_the_same_after_writing_and_reading(
    make_vectors: MakeVectors, tmp_path: Path, factory: str
) -> None:
    vectors = make_vectors(200, 32)
    index = build(vectors, factory)
    write_index(index, tmp_path / "image_index.faiss")
    again = read_index(tmp_path / "image_index.faiss")
    queries = normalize(vectors[:20])
    for before, after in zip(propose(index, queries, 30), propose(again, queries, 30), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("RaBitQ5000", "could not parse index string RaBitQ5000"),
        ("", "could not parse index string"),
        ("IVF99999999999,Flat", "stoi"),
        ("PQ7", "multiple of the number of subquantizers"),
        ("IVF1024,RaBitQfs", r"training points \(200\) should be at least as large as .*1024"),
        ("IDMap,Flat", "use add_with_ids"),
    ],
)
def test_a_factory_string_that_does_not_work_is_rejected_in_one_line_with_its_reason(
    make_vectors: MakeVectors, factory: str, reason: str
) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        build(make_vectors(200, 20), factory)
    assert "set index_factory to 'RaBitQfs'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_vectors_are_rejected() -> None:
    with pytest.raises(UserError, match="nothing to index"):
        build(np.empty((0, 16), dtype=np.float32))


def test_batches_that_do_not_add_up_are_rejected(make_vectors: MakeVectors) -> None:
    vectors = make_vectors(10, 4)
    with pytest.raises(ValueError, match="hold 10 vectors, expected 11"):
        build_index(lambda: [vectors], (11, 4))


@pytest.mark.parametrize("kept", [0, 3, 500])
def test_a_truncated_index_file_is_rejected(
    make_vectors: MakeVectors, tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "image_index.faiss"
    write_index(build(make_vectors(100, 64)), path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"image_index\.faiss cannot be read as a vector index"):
        read_index(path)


def test_a_missing_index_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_index(tmp_path / "image_index.faiss")
