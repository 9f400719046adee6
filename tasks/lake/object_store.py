"""A bucket, or a part of one, as a `Store`: any object store that fsspec knows."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any

from tasks.errors import UserError
from tasks.lake.store import (
    CHUNK,
    Artifact,
    HashingWriter,
    Store,
    StoredObject,
    TransferError,
    is_temporary,
)
from tasks.lake.write_behind import WriteBehind

# Parts of a multipart upload: S3 takes 10,000. They go one after the other, so that what is large
# goes in larger ones, up to what memory is there for: it holds three of them.
_MAX_PARTS = 9_000
_FEW_PARTS, _LARGE_PART = 8, 2 * CHUNK


class ObjectStore(Store):
    """Objects whose keys start with the root.

    Args:
        filesystem: of fsspec, without a cache of listings: one could hide what another task has
            just written.
        root: bucket and prefix, as the file system names them.

    Raises:
        UserError: there is no such bucket, or access is denied.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        super().__init__(root)
        self._files = filesystem
        self._check()

    def uri(self, path: str) -> str:
        """See `Store`."""
        return str(self._files.unstrip_protocol(self._full(path)))

    def local_path(self, path: str) -> None:
        """See `Store`."""

    def read(self, path: str) -> bytes:
        """See `Store`."""
        return bytes(self._files.cat_file(self._full(path)))

    def read_ranges(self, path: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        """See `Store`. They are fetched together."""
        paths = [self._full(path)] * len(ranges)
        starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
        return [
            bytes(data) for data in self._files.cat_ranges(paths, starts, ends, on_error="raise")
        ]

    def read_described(self, path: str, most: int) -> tuple[bytes, StoredObject]:
        """See `Store`. What is there afterwards is described."""
        data = self.read_range(path, 0, most) if most else b""
        return data, self.stat(path)

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """See `Store`."""
        with self._files.open(self._full(path), "rb", block_size=CHUNK) as stream:
            yield stream

    def describe_opened(self, path: str, stream: IO[bytes]) -> StoredObject:
        """See `Store`."""
        return self.stat(path)

    def stat(self, path: str) -> StoredObject:
        """See `Store`."""
        entry = self._files.info(self._full(path))
        if entry["type"] != "file":
            raise FileNotFoundError(f"{self.uri(path)} is no object")
        return describe(path, entry)

    @contextmanager
    def writing(self, path: str, size: int = 0) -> Iterator[HashingWriter]:
        """See `Store`."""
        part = max(CHUNK, min(size // _FEW_PARTS, _LARGE_PART), size // _MAX_PARTS)
        stream = self._files.open(self._full(path), "wb", block_size=part)
        behind = WriteBehind(stream, part)  # a part goes out while the next one is being made
        sink = HashingWriter(behind)
        try:
            with behind:
                yield sink
        except BaseException:
            _give_up(stream, in_order=not behind.failed)
            raise
        self._close(stream, sink.artifact(path))

    def create(self, path: str, data: bytes) -> bool:
        """See `Store`."""
        with suppress(FileExistsError):
            self._files.pipe_file(self._full(path), data, mode="create")
        # Some stores let several racing puts succeed, and an answer may be lost on its way.
        return self.read(path) == data

    def delete(self, path: str) -> None:
        """See `Store`."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._full(path))

    def folders(self, path: str) -> list[str]:
        """See `Store`."""
        try:
            entries = self._files.ls(self._full(path), detail=True, refresh=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        names = {
            entry["name"].rstrip("/").rsplit("/", 1)[-1]
            for entry in entries
            if entry["type"] == "directory"
        }
        return sorted(names)

    def objects(self, path: str = "") -> Iterator[StoredObject]:
        """See `Store`."""
        for _, _, files in self._files.walk(self._full(path), detail=True):
            for entry in files.values():
                yield describe(entry["name"].removeprefix(self.root + "/"), entry)

    def unfinished(self, path: str) -> Iterator[StoredObject]:
        """See `Store`. What an object store has not completed, it does not list; trials it does."""
        return (item for item in self.objects(path) if is_temporary(item.path))

    def discard_unfinished(self, item: StoredObject) -> None:
        """See `Store`."""
        self.delete(item.path)

    def _close(self, stream: IO[bytes], _: Artifact) -> None:
        """Ends the upload of an object, which then appears."""
        stream.close()

    def _check(self) -> None:
        """Makes sure that the bucket is there; an empty prefix of one does not show."""
        if not self._files.isdir(self.root.split("/", 1)[0]):
            raise UserError(f"{self} does not exist; create it or correct the URI")


def _give_up(stream: Any, *, in_order: bool) -> None:
    """Ends the upload of an object, which never appears.

    Args:
        stream: of fsspec.
        in_order: the store has taken everything so far; else it would fail again, for minutes.
    """
    with suppress(AttributeError):  # of a stream in memory, which has nothing to complete
        stream.closed = True  # closing would complete the upload
    if in_order:
        # It may be gone: an answer that tells so may be lost, and the question is asked again.
        with suppress(TransferError, FileNotFoundError):
            stream.discard()


def describe(path: str, entry: dict[str, Any]) -> StoredObject:
    """Describes the object at a path by what a listing or an inquiry says of it."""
    modified: datetime | float = entry.get("LastModified") or entry.get("created") or 0.0
    seconds = modified.timestamp() if isinstance(modified, datetime) else modified
    size = int(entry["size"])
    tag = str(entry.get("ETag") or entry.get("etag") or "").strip('"')
    fingerprint = f"etag:{tag}" if tag else f"stat:{size}:{seconds!r}"
    return StoredObject(path, size, fingerprint, seconds)
