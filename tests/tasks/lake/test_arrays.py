import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from tasks.lake.arrays import StoredRows, npy_shape, read_npy_batches, write_npy
from tasks.lake.store import Artifact, DamagedError, Store

ARRAYS = st_np.arrays(
    dtype=st.sampled_from([np.dtype(np.uint8), np.dtype(np.float32), np.dtype("U7")]),
    shape=st_np.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=9),
)
SHARED_STORE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED_STORE
@given(array=ARRAYS, batch=st.integers(1, 10))
def test_any_array_is_streamed_in_and_out_unchanged(
    store: Store, array: np.ndarray, batch: int
) -> None:
    parts = (array[start : start + batch] for start in range(0, len(array), batch))
    write_npy(store, "a.npy", array.shape, array.dtype, parts)
    read = list(read_npy_batches(store, "a.npy", 3))
    assert all(len(part) <= 3 for part in read)
    np.testing.assert_array_equal(np.concatenate([array[:0], *read]), array)
    assert npy_shape(store, "a.npy") == array.shape


@SHARED_STORE
@given(array=ARRAYS)
def test_numpy_itself_reads_what_was_written(lake: Store, array: np.ndarray) -> None:
    write_npy(lake, "a.npy", array.shape, array.dtype, [array])
    np.testing.assert_array_equal(
        np.load(io.BytesIO(lake.read("a.npy")), allow_pickle=False), array
    )


@SHARED_STORE
@given(data=st.data())
def test_rows_are_read_in_the_order_asked_for(store: Store, data: st.DataObject) -> None:
    array = np.arange(200, dtype=np.float32).reshape(50, 4)
    write_npy(store, "a.npy", array.shape, array.dtype, [array])
    rows = data.draw(st.lists(st.integers(0, 49), max_size=30))
    stored = StoredRows(store, "a.npy")
    np.testing.assert_array_equal(stored.read_rows(rows), array[rows])
    assert len(stored) == 50
    assert stored.dtype == np.float32


@pytest.mark.parametrize(
    ("rows", "gap", "ranges"),
    [
        ([0, 5, 10, 90], 0, [(0, 1), (5, 6), (10, 11), (90, 91)]),
        ([0, 4, 8], 0, [(0, 9)]),
        ([90, 0, 10, 5], 160, [(0, 11), (90, 91)]),
        (range(100), 0, [(0, 40), (40, 80), (80, 100)]),
        (range(0, 100, 10), 160, [(0, 31), (40, 71), (80, 91)]),
    ],
)
def test_rows_that_are_near_are_one_range_of_bounded_size(
    remote: Store,
    monkeypatch: pytest.MonkeyPatch,
    rows: Sequence[int],
    gap: int,
    ranges: list[tuple[int, int]],
) -> None:
    monkeypatch.setattr("tasks.lake.arrays.CHUNK", 40 * 16)
    monkeypatch.setattr("tasks.lake.arrays._HELD_BYTES", 50 * 16)
    array = np.arange(400, dtype=np.float32).reshape(100, 4)
    stored = StoredRows(remote, write_npy(remote, "a.npy", (100, 4), np.float32, [array]), gap=gap)
    asked: list[tuple[int, int]] = []
    read = remote.read_ranges
    monkeypatch.setattr(
        remote, "read_ranges", lambda path, spans: asked.extend(spans) or read(path, spans)
    )
    np.testing.assert_array_equal(stored.read_rows(list(rows)), array[list(rows)])
    header = remote.stat("a.npy").bytes - array.nbytes
    assert asked == [(header + 16 * first, header + 16 * end) for first, end in ranges]


def test_strings_are_read_row_by_row(store: Store) -> None:
    names = np.array(["a", "ßü", "日本/🦊.jpg"])
    write_npy(store, "n.npy", names.shape, names.dtype, [names])
    assert StoredRows(store, "n.npy")[2] == "日本/🦊.jpg"


def test_batches_that_do_not_add_up_are_refused_and_nothing_is_stored(lake: Store) -> None:
    with pytest.raises(ValueError, match="2 rows, expected 3"):
        write_npy(lake, "a.npy", (3, 1), np.uint8, [np.zeros((2, 1), np.uint8)])
    with pytest.raises(ValueError, match="expected"):
        write_npy(lake, "a.npy", (3, 1), np.uint8, [np.zeros((3, 2), np.uint8)])
    assert not lake.exists("a.npy")


def test_objects_are_never_stored(lake: Store) -> None:
    with pytest.raises(ValueError, match="never stored"):
        write_npy(lake, "a.npy", (1,), object, [np.array([{}])])


def test_a_pickled_array_is_never_read(lake: Store, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="not a plain array"):
        list(read_npy_batches(lake, "a.npy", 1))


def test_a_truncated_array_is_refused(store: Store) -> None:
    write_npy(store, "a.npy", (10, 4), np.float32, [np.zeros((10, 4), np.float32)])
    store.write("a.npy", store.read("a.npy")[:-1])
    with pytest.raises(ValueError, match="1 bytes too early"):
        list(read_npy_batches(store, "a.npy", 3))


def test_what_is_no_array_is_refused(store: Store) -> None:
    store.write("a.npy", b"something else entirely")
    with pytest.raises(ValueError, match=r"not a \.npy array"):
        npy_shape(store, "a.npy")


def test_rows_that_are_kept_open_outlive_the_object(lake: Store) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    rows = StoredRows(lake, write_npy(lake, "a.npy", (3, 4), np.float32, [array]), kept_open=True)
    lake.delete("a.npy")
    np.testing.assert_array_equal(rows.read_rows([2, 0]), array[[2, 0]])


def _rows_are_damaged_or_the_same(lake: Store, artifact: Artifact, array: np.ndarray) -> bool:
    """Of what is read by the row, no digest is compared: that would take all of the rows."""
    try:
        return bool(
            np.array_equal(StoredRows(lake, artifact, kept_open=True).read_rows([1]), array[1:2])
        )
    except DamagedError:
        return True


def test_rows_that_are_missing_or_cut_short_are_damage(store: Store) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    artifact = write_npy(store, "a.npy", array.shape, array.dtype, [array])
    opened = StoredRows(store, artifact)
    store.write("a.npy", store.read("a.npy")[:-4])
    with pytest.raises(DamagedError, match="ends too early"):
        opened.read_rows([2])
    store.delete("a.npy")
    for read in (lambda: opened.read_rows([0]), lambda: StoredRows(store, artifact)):
        with pytest.raises(DamagedError, match=r"a\.npy is missing"):
            read()


def test_a_flipped_bit_in_the_header_is_always_damage(lake: Store) -> None:
    for array in (
        np.arange(144, dtype=np.uint8).reshape(3, 4, 4, 3),
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.array(["a.jpg", "bb.jpg"]),
    ):
        artifact = write_npy(lake, "a.npy", array.shape, array.dtype, [array])
        path = lake.local_path("a.npy")
        assert path
        sound = path.read_bytes()
        for position in range(8 * (len(sound) - array.nbytes)):
            damaged = bytearray(sound)
            damaged[position // 8] ^= 1 << position % 8
            path.write_bytes(damaged)
            with pytest.raises(DamagedError):
                list(read_npy_batches(lake, artifact, 2))
            assert _rows_are_damaged_or_the_same(lake, artifact, array), (position, damaged[:200])


@pytest.mark.parametrize(
    ("shape", "dtype"), [((3, 4), np.float32), ((2, 4), np.int32), ((2, 2, 2), np.float32)]
)
def test_an_array_that_is_not_the_one_expected_yields_nothing(
    lake: Store, shape: tuple[int, ...], dtype: type
) -> None:
    artifact = write_npy(lake, "a.npy", (2, 4), np.float32, [np.zeros((2, 4), np.float32)])
    with pytest.raises(DamagedError, match="expected"):
        next(read_npy_batches(lake, artifact, 2, shape=shape, dtype=dtype))
