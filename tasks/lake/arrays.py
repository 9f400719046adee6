"""`.npy` artifacts, written and read in batches or rows: never whole, never pickled."""

import io
import math
import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from tasks.lake.store import CHUNK, Artifact, DamagedError, Store

# Rows this close together are fetched as one range: a request costs more than the bytes between
# them.
_GAP_ROWS = 4
# The same where thousands of rows are wanted at once, and requests wait for each other: about what
# comes while one is made.
WIDE_GAP = 2**18
# Of ranges, held at a time.
_HELD_BYTES = 2**25
# No header of a plain array is longer.
_HEADER_BYTES = 4096


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=np.int64))

    @property
    def end(self) -> int:
        return self.offset + self.dtype.itemsize * math.prod(self.shape)


def write_npy(
    store: Store,
    path: str,
    shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    batches: Iterable[npt.NDArray[Any]],
) -> Artifact:
    """Streams an array of known shape into the store.

    Args:
        store: where to write.
        path: the artifact.
        shape: of the whole array; its first axis is rows.
        dtype: of the whole array; no objects.
        batches: consecutive rows; each is converted to `dtype` if need be.

    Returns:
        The stored artifact with its size and digest.

    Raises:
        ValueError: the batches do not add up to `shape`, or the type would need pickle.
    """
    dtype = np.dtype(dtype)
    if dtype.hasobject:
        raise ValueError(f"{path}: arrays of objects are never stored")
    written = 0
    with store.writing(path, dtype.itemsize * math.prod(shape)) as stream:
        header = {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(cast(IO[bytes], stream), header)
        for batch in batches:
            rows = np.ascontiguousarray(batch, dtype=dtype)
            if rows.shape[1:] != shape[1:]:
                raise ValueError(f"{path}: rows of shape {rows.shape[1:]}, expected {shape[1:]}")
            written += len(rows)
            if rows.size:
                stream.write(rows.view(np.uint8).reshape(-1).data)
        if written != shape[0]:
            raise ValueError(f"{path}: {written} rows, expected {shape[0]}")
    return stream.artifact(path)


def read_npy_batches(
    store: Store,
    source: str | Artifact,
    batch_rows: int,
    *,
    shape: tuple[int, ...] | None = None,
    dtype: npt.DTypeLike | None = None,
) -> Iterator[npt.NDArray[Any]]:
    """Streams an array out of the store, `batch_rows` rows at a time, in order.

    Args:
        store: where to read.
        source: a path; or an artifact, which is compared with its digest at the end.
        batch_rows: rows a batch.
        shape: that the array must have. Give it, and `dtype`, where something else would fail on
            the batches before the digest has been compared.
        dtype: that the array must have.

    Raises:
        FileNotFoundError: there is no such object.
        ValueError: it is not an array, not the one expected, would need pickle, or ends too early.
        DamagedError: the artifact is missing or not what was stored.
    """
    path = source if isinstance(source, str) else source.path
    opened = store.open(source) if isinstance(source, str) else store.open_verified(source)
    with opened as stream:
        header = _read_header(stream, path)
        _require(header, path, shape, dtype)
        if isinstance(source, Artifact) and header.end != source.bytes:
            raise ValueError(f"{path} has {source.bytes} bytes, its header tells of {header.end}")
        for start in range(0, header.shape[0], batch_rows):
            rows = min(batch_rows, header.shape[0] - start)
            batch = np.empty((rows, *header.shape[1:]), header.dtype)
            _read_into(stream, batch.view(np.uint8).reshape(-1).data, path)
            yield batch


def npy_shape(store: Store, path: str) -> tuple[int, ...]:
    """Returns the shape of a stored array, reading no more than its header."""
    return _fetch_header(store, path).shape


class StoredRows:
    """The rows of a stored array.

    Args:
        store: where it is.
        source: a path; or an artifact, of which size and header are compared with each other.
        kept_open: hold it open where it lies on this machine's disk: it can be read to the end even
            if it is removed. It is not mapped into memory: where the system pages in large units,
            each row that is looked at would take 2 MB, and the time to map them.
        gap: rows no more bytes apart are fetched as one range, if they are not on this machine.

    Raises:
        FileNotFoundError: there is no such object.
        ValueError: it is not an array, or would need pickle.
        DamagedError: the artifact is missing or not what was stored.
    """

    def __init__(
        self, store: Store, source: str | Artifact, *, kept_open: bool = False, gap: int = 0
    ) -> None:
        self._store, self._source, self._gap = store, source, gap
        self._path = path = source if isinstance(source, str) else source.path
        with self._taking_for_damage():
            self._header = _fetch_header(store, path)
            if isinstance(source, Artifact) and self._header.end != source.bytes:
                raise ValueError(f"its header tells of {self._header.end} bytes")
            file = store.local_path(path) if kept_open else None
            self._opened = None if file is None else os.open(file, os.O_RDONLY)
        if self._opened is not None:
            weakref.finalize(self, os.close, self._opened)

    @contextmanager
    def _taking_for_damage(self) -> Iterator[None]:
        """An artifact that is not the array it was is damaged; of a path nothing is known."""
        try:
            yield
        except (FileNotFoundError, ValueError) as error:
            if isinstance(self._source, str):
                raise
            reason = "missing" if isinstance(error, FileNotFoundError) else f"damaged: {error}"
            raise DamagedError(f"{self._store.uri(self._source.path)} is {reason}") from error

    def __len__(self) -> int:
        return self._header.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return self._header.dtype

    def __getitem__(self, row: int) -> Any:
        """Returns one row."""
        return self.read_rows([row])[0]

    def read_rows(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Returns the given rows, shape (len(rows), …), in the order asked for."""
        wanted = np.asarray(rows, dtype=np.int64)
        if not wanted.size or not self._header.row_bytes:
            return np.empty((len(wanted), *self._header.shape[1:]), self._header.dtype)
        order = np.argsort(wanted, kind="stable")
        ascending = wanted[order]
        first = self._first_of_spans(ascending)
        starts, ends = ascending[first], ascending[np.append(first[1:], 0) - 1] + 1
        if len(first) > 1 and (ends - starts).sum() * self._header.row_bytes > _HELD_BYTES:
            found = np.empty((len(wanted), *self._header.shape[1:]), self._header.dtype)
            for half in np.split(order, [first[len(first) // 2]]):
                found[half] = self.read_rows(wanted[half])
            return found
        block = self._read_spans(starts, ends)
        # Where a span begins in the block, less where it begins in the array.
        shifts = np.cumsum(ends - starts) - ends
        places = np.empty_like(wanted)
        places[order] = ascending + np.repeat(shifts, np.diff(np.append(first, len(wanted))))
        return block[places]

    def _first_of_spans(self, ascending: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Returns the places (k,), 0 the first, at which rows begin that are fetched together."""
        size = self._header.row_bytes
        near = _GAP_ROWS if self._opened is not None else max(_GAP_ROWS, self._gap // size)
        begins = np.diff(ascending, prepend=ascending[0] - near - 1) > near
        first = np.flatnonzero(begins)
        # No range is larger than what is fetched at once elsewhere.
        since = ascending - np.repeat(ascending[first], np.diff(np.append(first, len(begins))))
        begins[1:] |= np.diff(since // max(1, CHUNK // size)) > 0
        return np.flatnonzero(begins)

    def _read_spans(
        self, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
    ) -> npt.NDArray[Any]:
        """Returns the rows of each span from a start to its end, one span after the other."""
        size, offset = self._header.row_bytes, self._header.offset
        ranges = [
            (offset + start * size, offset + end * size)
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]
        with self._taking_for_damage():
            parts = self._read(ranges)
        for (start, end), data in zip(ranges, parts, strict=True):
            if len(data) != end - start:
                raise DamagedError(f"{self._store.uri(self._path)} ends too early")
        rows = np.frombuffer(b"".join(parts), self._header.dtype)
        return rows.reshape(-1, *self._header.shape[1:])

    def _read(self, ranges: list[tuple[int, int]]) -> list[bytes]:
        if self._opened is None:
            return self._store.read_ranges(self._path, ranges)
        return [os.pread(self._opened, end - start, start) for start, end in ranges]


def _fetch_header(store: Store, path: str) -> _Header:
    return _read_header(io.BytesIO(store.read_range(path, 0, _HEADER_BYTES)), path)


def _read_header(stream: IO[bytes], path: str) -> _Header:
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran_order, dtype = read(stream)
    except OSError:
        raise  # of the store
    except Exception as error:  # numpy parses it as Python, which raises whatever it does
        raise ValueError(f"{path} is not a .npy array: {error}") from error
    # None is written in another byte order, which a single flipped bit makes of a header.
    if fortran_order or dtype.hasobject or not dtype.isnative or not shape:
        raise ValueError(f"{path} is not a plain array of rows")
    return _Header(shape, dtype, stream.tell())


def _require(
    header: _Header, path: str, shape: tuple[int, ...] | None, dtype: npt.DTypeLike | None
) -> None:
    """Fails where a header is not the one expected."""
    expected = (
        header.shape if shape is None else shape,
        header.dtype if dtype is None else np.dtype(dtype),
    )
    if (header.shape, header.dtype) != expected:
        raise ValueError(f"{path} holds {header.shape} {header.dtype}, expected {expected}")


def _read_into(stream: IO[bytes], target: memoryview, path: str) -> None:
    while target.nbytes:
        count = cast(io.BufferedIOBase, stream).readinto(target)
        if not count:
            raise ValueError(f"{path} ends {target.nbytes} bytes too early")
        target = target[count:]
