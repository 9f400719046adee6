"""A folder as a lake that counts what the same work would ask of an object store.

Requests are counted as `S3Store` makes them: a listing is one a thousand objects, an open object
one to look it up and one a block of 8 MiB, a write one, or one a part and two more if it has
several.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tasks.lake import open_store
from tasks.lake.local_store import LocalStore
from tasks.lake.store import CHUNK, HashingWriter, Store, StoredObject, is_temporary

_PAGE = 1000

# Requests by kind (list, read, write, delete), and bytes (bytes_read, bytes_written).
counts: Counter[str] = Counter()


class CountedStore(Store):
    """A `LocalStore` that nobody takes for a folder of this machine, so that all passes here."""

    def __init__(self, root: str, *, confined: bool = False) -> None:
        super().__init__(root)
        self._inner = LocalStore(root, confined=confined)

    def uri(self, path: str) -> str:
        """See `Store`."""
        return self._inner.uri(path)

    def local_path(self, path: str) -> None:
        """See `Store`: what has to be a file is fetched into the cache."""

    def read(self, path: str) -> bytes:
        """See `Store`."""
        data = self._inner.read(path)
        _count_read(len(data))
        return data

    def read_described(self, path: str, most: int) -> tuple[bytes, StoredObject]:
        """See `Store`: the answer that brings the object describes it."""
        data, found = self._inner.read_described(path, most)
        _count_read(len(data))
        return data, found

    def read_ranges(self, path: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        """See `Store`."""
        for start, end in ranges:
            _count_read(end - start)
        return self._inner.read_ranges(path, ranges)

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """See `Store`."""
        with self._inner.open(path) as stream:
            try:
                yield stream
            finally:
                _count_read(stream.tell(), 1 + -(-stream.tell() // CHUNK))

    def describe_opened(self, path: str, stream: IO[bytes]) -> StoredObject:
        """See `Store`."""
        return self._inner.describe_opened(path, stream)

    def stat(self, path: str) -> StoredObject:
        """See `Store`."""
        _count_read(0)
        return self._inner.stat(path)

    @contextmanager
    def writing(self, path: str, size: int = 0) -> Iterator[HashingWriter]:
        """See `Store`."""
        # pylint: disable-next=contextmanager-generator-missing-cleanup  # the inner one cleans up
        with self._inner.writing(path, size) as stream:
            yield stream
            parts = -(-stream.bytes // CHUNK)
            counts["write"] += parts + 2 if parts > 1 else 1
            counts["bytes_written"] += stream.bytes

    def create(self, path: str, data: bytes) -> bool:
        """See `Store`: an object store is asked afterwards what it holds."""
        counts["write"] += 1
        counts["bytes_written"] += len(data)
        _count_read(len(data))
        return self._inner.create(path, data)

    def delete(self, path: str) -> None:
        """See `Store`."""
        counts["delete"] += 1
        self._inner.delete(path)

    def folders(self, path: str) -> list[str]:
        """See `Store`."""
        found = self._inner.folders(path)
        counts["list"] += 1 + len(found) // _PAGE
        return found

    def objects(self, path: str = "") -> Iterator[StoredObject]:
        """See `Store`."""
        return _counting_pages(self._inner.objects(path))

    def unfinished(self, path: str) -> Iterator[StoredObject]:
        """See `Store`: an object store lists all it has to find them."""
        return (item for item in _counting_pages(self._files(path)) if is_temporary(item.path))

    def discard_unfinished(self, item: StoredObject) -> None:
        """See `Store`."""
        self.delete(item.path)

    def _files(self, path: str) -> Iterator[StoredObject]:
        return itertools.chain(self._inner.objects(path), self._inner.unfinished(path))


def count_all() -> None:
    """Lets this process count whatever it does in folders from now on."""
    vars(open_store)["LocalStore"] = CountedStore


def _count_read(size: int, requests: int = 1) -> None:
    counts["read"] += requests
    counts["bytes_read"] += size


def _counting_pages(objects: Iterator[StoredObject]) -> Iterator[StoredObject]:
    counts["list"] += 1
    for number, item in enumerate(objects, start=1):
        counts["list"] += number % _PAGE == 0
        yield item


def peak_memory() -> int:
    """Returns the most memory that this process has held, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])
