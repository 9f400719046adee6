from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.vectorizer.weights_archive import (
    WeightsProvenance,
    arrays_sha256,
    read_archive,
    write_archive,
)

ARRAYS = {
    "conv/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "conv/bias": np.array([1, -1], np.float32),
}
PROVENANCE = WeightsProvenance("a test", "", arrays_sha256(ARRAYS))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "weights.npz"
    write_archive(path, ARRAYS, PROVENANCE)
    arrays, provenance = read_archive(path)
    assert provenance == PROVENANCE
    assert arrays.keys() == ARRAYS.keys()
    assert all(np.array_equal(arrays[name], array) for name, array in ARRAYS.items())


def test_a_missing_archive_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_archive(tmp_path / "weights.npz")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_byte_never_changes_a_weight(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    write_archive(path, ARRAYS, PROVENANCE)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        arrays, provenance = read_archive(path)
    except ValueError as error:
        assert "is damaged" in str(error)
    else:
        assert provenance == PROVENANCE
        assert all(np.array_equal(array, ARRAYS[name]) for name, array in arrays.items())


@given(length=st.integers(0, 500))
def test_a_truncated_archive_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, length: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "truncated.npz"
    write_archive(path, ARRAYS, PROVENANCE)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="is damaged"):
        read_archive(path)


def test_writers_at_the_same_time_leave_one_whole_archive(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda _: write_archive(path, ARRAYS, PROVENANCE), range(40)):
            assert read_archive(path)[1] == PROVENANCE
    assert [file.name for file in tmp_path.iterdir()] == ["weights.npz"]


def test_the_digest_depends_on_names_shapes_and_values_but_not_on_order() -> None:
    kernel, bias = ARRAYS["conv/kernel"], ARRAYS["conv/bias"]
    digests = {
        arrays_sha256(arrays)
        for arrays in (
            {"a": kernel, "b": bias},
            {"b": bias, "a": kernel},
            {"a": kernel.T.copy(), "b": bias},
            {"a": kernel.reshape(3, 2), "b": bias},
            {"a": kernel + 1, "b": bias},
            {"a": kernel, "c": bias},
        )
    }
    assert len(digests) == 5


def test_the_digest_does_not_depend_on_the_layout_in_memory() -> None:
    kernel = ARRAYS["conv/kernel"]
    assert arrays_sha256({"a": kernel}) == arrays_sha256({"a": np.asfortranarray(kernel)})
