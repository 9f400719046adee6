"""`Store`: whole objects in and out of one fsspec root, a folder or a bucket.

An object is either there complete or not there at all: on a file system it is written under a
temporary name and renamed, on an object store it is one put or one finished multipart upload.
"""

import contextlib
import errno
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

import fsspec

from tasks.errors import UserError

TEMPORARY_SUFFIX = ".part"
_CHUNK = 2**23


class ByteSink(Protocol):
    """What can be written to."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Takes all of `data` and returns its length in bytes."""


@dataclass(frozen=True)
class Artifact:
    """One stored object, as a manifest names it: path, size in bytes, SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class StoredObject:
    """One object of a listing: path, size in bytes, a fingerprint, when it was written.

    The fingerprint changes when the content does: the ETag where the store has one, else size and
    time of change.
    """

    path: str
    bytes: int
    fingerprint: str
    modified: float


class HashingWriter:
    """Passes bytes on to a sink, counting and hashing them on the way."""

    def __init__(self, sink: ByteSink) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes | memoryview) -> int:
        """Writes all of `data` and returns its length in bytes."""
        self._sink.write(data)
        self._hash.update(data)
        size = memoryview(data).nbytes
        self.bytes += size
        return size

    def artifact(self, path: str) -> Artifact:
        """Describes what was written so far as the object at `path`."""
        return Artifact(path, self.bytes, self._hash.hexdigest())


class NotAnObjectError(OSError):
    """What is there is no object: a pipe, a device, a link that leads nowhere or out."""


class Store:
    """Objects under one root URI (any fsspec URL); paths are relative to it, with slashes."""

    def __init__(self, root: str, *, confined: bool = False) -> None:
        """Opens the store.

        Args:
            root: a URI such as `file:///data/lake` or `s3://bucket/prefix`, or a local folder.
            confined: read nothing but regular files below the root, links followed: for folders
                that others fill.

        Raises:
            UserError: the root is empty, of an unknown kind, or does not exist.
        """
        if not root:
            raise UserError("no lake given; pass --lake URI or set IMAGE_SEARCH_LAKE")
        try:
            # A cached listing could hide what another task has just written.
            self.fs, self.root = fsspec.core.url_to_fs(root, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            raise UserError(f"cannot open {root}: {error}; correct the URI") from error
        self.root = self.root.rstrip("/")
        self.is_local = "file" in protocols(self.fs)
        # An empty prefix of a bucket does not show, so there the bucket is what must exist.
        container = self.root if self.is_local else self.root.split("/", 1)[0]
        if not self.fs.isdir(container):
            raise UserError(f"{root} does not exist or is no folder; create it or correct the URI")
        self._confined = confined and self.is_local

    def __str__(self) -> str:
        return self.uri("").rstrip("/")

    def uri(self, path: str) -> str:
        """Returns the full URI of an object."""
        return str(self.fs.unstrip_protocol(self._full(path)))

    def local_path(self, path: str) -> Path | None:
        """Returns where an object lies on this machine's disk, or None for an object store."""
        return Path(self._full(path)) if self.is_local else None

    def exists(self, path: str) -> bool:
        """Tells whether an object is there."""
        return bool(self.fs.isfile(self._full(path)))

    def read(self, path: str) -> bytes:
        """Returns a whole object.

        Raises:
            FileNotFoundError: there is no such object.
            NotAnObjectError: the store is confined, and what is there is not to be read.
        """
        return bytes(self.fs.cat_file(self._readable(path)))

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes [start, end) of an object."""
        return bytes(self.fs.cat_file(self._full(path), start=start, end=end))

    def read_ranges(self, path: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        """Returns several byte ranges of one object, fetched together where the store can."""
        full = self._full(path)
        starts, ends = [start for start, _ in ranges], [end for _, end in ranges]
        found = self.fs.cat_ranges([full] * len(ranges), starts, ends, on_error="raise")
        return [bytes(data) for data in found]

    def read_json(self, path: str) -> Any:
        """Returns the document stored at `path`."""
        return json.loads(self.read(path))

    @contextlib.contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Opens an object for reading from front to back."""
        with self.fs.open(self._readable(path), "rb", block_size=_CHUNK) as stream:
            yield stream

    def digest(self, path: str) -> str:
        """Returns the SHA-256 of an object's content, in hex.

        Raises:
            FileNotFoundError: there is no such object.
        """
        digest = hashlib.sha256()
        with self.open(path) as stream:
            while data := stream.read(_CHUNK):
                digest.update(data)
        return digest.hexdigest()

    def stat(self, path: str) -> StoredObject:
        """Describes one object.

        Raises:
            FileNotFoundError: there is no such object.
        """
        return _describe(path, self.fs.info(self._readable(path)))

    def is_whole(self, artifact: Artifact) -> bool:
        """Tells whether an artifact is there with the size it had when it was stored."""
        try:
            return self.stat(artifact.path).bytes == artifact.bytes
        except FileNotFoundError:
            return False

    def write(self, path: str, data: bytes) -> Artifact:
        """Stores a whole object, replacing what was there."""
        with self.writing(path) as stream:
            stream.write(data)
        return stream.artifact(path)

    def write_json(self, path: str, document: Any) -> Artifact:
        """Stores a JSON document, replacing what was there."""
        return self.write(path, json.dumps(document, indent=1).encode())

    @contextlib.contextmanager
    def writing(self, path: str) -> Iterator[HashingWriter]:
        """Streams a new object in; it appears when the block ends without an exception."""
        full = self._full(path)
        if self.is_local:
            with _temporary_beside(Path(full)) as (temporary, file):
                yield HashingWriter(file)
                _flush_to_disk(file)
                temporary.replace(full)
            return
        stream = self.fs.open(full, "wb", block_size=_CHUNK)
        try:
            yield HashingWriter(stream)
        except BaseException:
            stream.discard()
            stream.closed = True  # closing would complete the upload
            raise
        stream.close()

    def upload(self, path: str, file: Path) -> Artifact:
        """Stores a local file, replacing what was there."""
        with file.open("rb") as source, self.writing(path) as stream:
            while data := source.read(_CHUNK):
                stream.write(data)
        return stream.artifact(path)

    def create(self, path: str, data: bytes) -> bool:
        """Stores an object unless there is one already, in one atomic step.

        Returns:
            True if this call created it, False if it was there.
        """
        full = self._full(path)
        if self.is_local:
            with _temporary_beside(Path(full)) as (temporary, file):
                file.write(data)
                _flush_to_disk(file)
                try:
                    os.link(temporary, full)  # unlike a rename, a link never replaces
                except FileExistsError:
                    return False
            return True
        try:
            self.fs.pipe_file(full, data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:
            # s3fs reports the failed precondition of a conditional put in either way.
            if error.errno != errno.EINVAL:
                raise
            return False
        # Some stores let several racing conditional puts succeed; only what is read back has won.
        return self.read(path) == data

    def delete(self, path: str) -> None:
        """Removes one object, and the folders it leaves empty; one that is gone is no error."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(self._full(path))
        if self.is_local:
            _remove_empty_folders(Path(self._full(path)).parent, Path(self.root))

    def folders(self, path: str) -> list[str]:
        """Returns the names of the folders right below `path`, in order."""
        try:
            entries = self.fs.ls(self._full(path), detail=True, refresh=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(
            entry["name"].rstrip("/").rsplit("/", 1)[-1]
            for entry in entries
            if entry["type"] == "directory"
        )

    def objects(self, path: str = "") -> Iterator[StoredObject]:
        """Lists every object below `path`, in no particular order, folder by folder."""
        start = self._full(path)
        for _, _, files in self.fs.walk(start, detail=True):
            for entry in files.values():
                if entry.get("islink"):
                    # Listed is the link itself, but what changes is the file that it leads to.
                    with contextlib.suppress(OSError):  # it leads nowhere
                        entry = self.fs.info(entry["name"])
                yield _describe(entry["name"].removeprefix(self.root + "/"), entry)

    def _readable(self, path: str) -> str:
        full = self._full(path)
        if self._confined and os.path.lexists(full):
            place = Path(os.path.realpath(full))
            # Opening a pipe would wait for ever, and a link could lead to anything on the machine.
            if not (place.is_file() and place.is_relative_to(Path(self.root).resolve())):
                raise NotAnObjectError(f"{full} is no regular file below {self.root}")
        return full

    def _full(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError(f"{path!r} leads out of the store")
        return f"{self.root}/{path}" if path else self.root


def protocols(filesystem: Any) -> tuple[str, ...]:
    """Returns the URL schemes that an fsspec file system answers to."""
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _describe(path: str, entry: dict[str, Any]) -> StoredObject:
    modified = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or 0.0
    seconds = modified if isinstance(modified, (int, float)) else modified.timestamp()
    tag = entry.get("ETag") or entry.get("etag")
    fingerprint = f"etag:{str(tag).strip(chr(34))}" if tag else f"stat:{entry['size']}:{seconds!r}"
    return StoredObject(path, int(entry["size"]), fingerprint, float(seconds))


@contextlib.contextmanager
def _temporary_beside(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    # The final name is left out: with it, a long name could pass the file system's limit.
    temporary = target.parent / f".{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        with _open_in_folder(temporary) as file:
            yield temporary, file
    finally:
        temporary.unlink(missing_ok=True)


def _open_in_folder(path: Path) -> IO[bytes]:
    # Between the two steps somebody may remove the folder, as it is empty. Nobody can do that
    # as often as this tries.
    for _ in range(100):
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("wb")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _remove_empty_folders(folder: Path, root: Path) -> None:
    with contextlib.suppress(OSError):  # the first that is not empty, or is gone, ends it
        while folder != root:
            folder.rmdir()
            folder = folder.parent


def _flush_to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
