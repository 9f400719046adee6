"""`Store`: whole objects in and out of one root, a folder or a bucket.

An object is either there complete or not there at all: on a file system it is written under a
temporary name and renamed, on an object store it is one put or one finished multipart upload.
"""

import errno
import hashlib
import io
import json
import re
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, cast

from tasks.errors import UserError

TEMPORARY_SUFFIX = ".part"
CHUNK = 2**23
_BUFFER = 2**20
_TEMPORARY = re.compile(rf"(^|/)\.[0-9a-f]{{32}}{re.escape(TEMPORARY_SUFFIX)}$")


def temporary_name() -> str:
    """Returns a new name for what is nobody's business yet."""
    return f".{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"


def is_temporary(path: str) -> bool:
    """Tells whether the object at a path has a name that `temporary_name` may have made."""
    return _TEMPORARY.search(path) is not None


class ByteSink(Protocol):
    """What can be written to."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Takes all of `data` and returns its length in bytes."""


class NotAnObjectError(OSError):
    """What is there is not to be read: a pipe, a link that leads out, a name that leads out."""


class TransferError(OSError):
    """The store cannot be reached, keeps failing, or what arrives is broken: it may pass."""


class DamagedError(Exception):
    """An object is not what was stored: its size or its digest is another one, or it is gone."""


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


class _HashingReader(io.RawIOBase):
    """Hashes what is read from a stream, from front to back."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any, /) -> int:
        count = cast(io.BufferedIOBase, self._stream).readinto(buffer)
        self._hash.update(buffer[:count])
        self._position += count
        return count

    def hexdigest(self) -> str:
        """Returns the SHA-256 of all that was read."""
        return self._hash.hexdigest()


class Store(ABC):  # pylint: disable=too-many-public-methods  # all that is done with objects
    """Objects under one root; paths are relative to it, with slashes. See `open_store`."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")

    def __str__(self) -> str:
        return self.uri("").rstrip("/")

    @abstractmethod
    def uri(self, path: str) -> str:
        """Returns the full URI of an object."""

    @abstractmethod
    def local_path(self, path: str) -> Path | None:
        """Returns where an object lies on this machine's disk, or None for an object store."""

    @abstractmethod
    def read(self, path: str) -> bytes:
        """Returns a whole object.

        Raises:
            FileNotFoundError: there is no such object.
            NotAnObjectError: what is there is not to be read.
        """

    @abstractmethod
    def read_ranges(self, path: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        """Returns the byte ranges [start, end) of one object, cut off where it ends."""

    @abstractmethod
    def read_described(self, path: str, most: int) -> tuple[bytes, StoredObject]:
        """Returns the first bytes of an object, `most` at most, and describes it.

        What is described is the object read, or one that has replaced it meanwhile.

        Raises:
            FileNotFoundError: there is no such object.
            NotAnObjectError: what is there is not to be read.
        """

    def reader_of_many(self) -> Callable[[str, int], tuple[bytes, StoredObject]]:
        """Returns `read_described`, or what takes longer to load and then does the same sooner."""
        return self.read_described

    @abstractmethod
    def open(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """Opens an object for reading from front to back."""

    @abstractmethod
    def describe_opened(self, path: str, stream: IO[bytes]) -> StoredObject:
        """Describes the object that a stream of `open` reads, whatever is at its path by now."""

    @abstractmethod
    def stat(self, path: str) -> StoredObject:
        """Describes one object.

        Raises:
            FileNotFoundError: there is no such object.
        """

    @abstractmethod
    def writing(self, path: str, size: int = 0) -> AbstractContextManager[HashingWriter]:
        """Streams a new object in; it appears when the block ends without an exception.

        Args:
            path: where to; what was there is replaced.
            size: about how many bytes will come, if that is known and large.
        """

    @abstractmethod
    def create(self, path: str, data: bytes) -> bool:
        """Stores an object unless there is one already, in one atomic step.

        Args:
            path: where to.
            data: unlike what anybody else would store there. That tells an answer that was lost on
                its way from the success of another one.

        Returns:
            True if this call created it, False if it was there.
        """

    @abstractmethod
    def delete(self, path: str) -> None:
        """Removes one object; one that is gone is no error."""

    @abstractmethod
    def folders(self, path: str) -> list[str]:
        """Returns the names of the folders right below `path`, in order."""

    @abstractmethod
    def objects(self, path: str = "") -> Iterator[StoredObject]:
        """Streams every object below the folder `path`, in no particular order."""

    @abstractmethod
    def unfinished(self, path: str) -> Iterator[StoredObject]:
        """Streams what writers that were killed have left below a folder and nobody can read."""

    @abstractmethod
    def discard_unfinished(self, item: StoredObject) -> None:
        """Removes one of `unfinished`."""

    def exists(self, path: str) -> bool:
        """Tells whether an object is there."""
        try:
            self.stat(path)
        except FileNotFoundError:
            return False
        return True

    def read_range(self, path: str, start: int, end: int) -> bytes:
        """Returns the bytes [start, end) of an object, cut off where it ends."""
        return self.read_ranges(path, [(start, end)])[0]

    def read_json(self, path: str) -> Any:
        """Returns the document stored at `path`."""
        return json.loads(self.read(path))

    def digest(self, path: str) -> str:
        """Returns the SHA-256 of an object's content, in hex.

        Raises:
            FileNotFoundError: there is no such object.
        """
        with self.open(path) as stream:
            return _digest(stream)

    def is_whole(self, artifact: Artifact) -> bool:
        """Tells whether an artifact is there with the size it had when it was stored."""
        try:
            return self.stat(artifact.path).bytes == artifact.bytes
        except FileNotFoundError:
            return False

    def all_whole(self, folder: str, artifacts: Iterable[Artifact]) -> bool:
        """Tells whether artifacts below a folder all have their sizes, by one look at it."""
        sizes = {item.path: item.bytes for item in self.objects(folder.rstrip("/"))}
        return all(sizes.get(artifact.path) == artifact.bytes for artifact in artifacts)

    @contextmanager
    def open_verified(self, artifact: Artifact) -> Iterator[IO[bytes]]:
        """Opens an artifact like `open`; the block fails at its end if it is not what was stored.

        Until then nothing that was read is certain. So whatever the block raises, the digest is
        compared first.

        Raises:
            DamagedError: it is missing, its digest is another one, or it made no sense: the block
                has raised ValueError.
            TransferError: it was damaged on its way here, and is sound where it is stored.
            Exception: what else the block has raised; the artifact is sound.
        """
        place = self.uri(artifact.path)
        failure: Exception | None = None
        try:
            with self.open(artifact.path) as stream:
                reader = _HashingReader(stream)
                buffered = io.BufferedReader(reader, _BUFFER)
                try:
                    yield buffered
                except TransferError:
                    raise  # there is no more to read
                except Exception as error:  # pylint: disable=broad-exception-caught  # raised below
                    failure = error
                while buffered.read(_BUFFER):
                    pass
        except FileNotFoundError as error:
            raise DamagedError(f"{place} is missing") from error
        if reader.hexdigest() != artifact.sha256:
            self.verify(artifact)
            raise TransferError(f"{place} was damaged on its way, but is sound") from failure
        if isinstance(failure, ValueError):
            raise DamagedError(f"{place} is damaged: {failure}") from failure
        if failure:
            raise failure

    def verify(self, artifact: Artifact) -> None:
        """Reads an artifact from front to back and compares it with its digest.

        Raises:
            DamagedError: it is missing or, twice in a row, not what was stored.
        """
        place = self.uri(artifact.path)
        try:
            if artifact.sha256 in (self.digest(artifact.path) for _ in range(2)):
                return
        except FileNotFoundError as error:
            raise DamagedError(f"{place} is missing") from error
        raise DamagedError(f"{place} is damaged: its digest is not {artifact.sha256}")

    def write(self, path: str, data: bytes) -> Artifact:
        """Stores a whole object, replacing what was there."""
        with self.writing(path) as stream:
            stream.write(data)
        return stream.artifact(path)

    def write_json(self, path: str, document: Any) -> Artifact:
        """Stores a JSON document, replacing what was there."""
        return self.write(path, json.dumps(document, indent=1).encode())

    def refresh(self, path: str) -> None:
        """Gives an object the time of now, as somebody uses it; one that is gone is no error."""
        with suppress(FileNotFoundError):
            self.write(path, self.read(path))

    def upload(self, path: str, file: Path) -> Artifact:
        """Stores a local file, replacing what was there."""
        with file.open("rb") as source, self.writing(path, file.stat().st_size) as stream:
            while data := source.read(CHUNK):
                stream.write(data)
        return stream.artifact(path)

    def _full(self, path: str) -> str:
        if path.startswith("/") or not {"..", "."}.isdisjoint(path.split("/")):
            raise NotAnObjectError(f"the name {path!r} leads out of its folder")
        return f"{self.root}/{path}" if path else self.root


def require_exclusive_create(store: Store, folder: str) -> None:
    """Tries whether a store lets nobody replace what `create` has stored.

    Args:
        store: to try.
        folder: where to try.

    Raises:
        UserError: it cannot be relied on.
    """
    path = f"{folder}/{temporary_name()}"
    try:
        exclusive = (
            store.create(path, b"first")
            and not store.create(path, b"second")
            and store.read(path) == b"first"
        )
    except NotImplementedError:
        exclusive = False
    store.delete(path)
    if not exclusive:
        raise UserError(
            f"{store} cannot create an object exclusively (If-None-Match on a bucket, hard "
            "links in a folder), so two runs could overwrite each other's release; use another "
            "store"
        )


def digest_as_listed(store: Store, path: str, fingerprint: str) -> str | None:
    """Returns the SHA-256 of a listed object's content, or None if it is another one by now.

    Args:
        store: where it is.
        path: of the object.
        fingerprint: that it had in the listing.

    Raises:
        FileNotFoundError: there is no such object.
        NotAnObjectError: what is there is not to be read.
    """
    try:
        with store.open(path) as stream:
            digest = _digest(stream)
            # Asked last, as a file may be written to while it is read; and of the stream, as
            # there may have been another object at the path for just that long.
            found = store.describe_opened(path, stream)
    except OSError as error:
        if error.errno == errno.EBUSY:  # replaced while it was read
            return None
        raise
    return digest if found.fingerprint == fingerprint else None


def _digest(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while data := stream.read(CHUNK):
        digest.update(data)
    return digest.hexdigest()
