"""A folder on a file system as a `Store`."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tasks.errors import UserError
from tasks.lake.disk import naming_full_disk
from tasks.lake.store import (
    HashingWriter,
    NotAnObjectError,
    Store,
    StoredObject,
    is_temporary,
    temporary_name,
)

# How file systems say that they have no hard links. Anything else, a full disk, say, may pass.
_NO_LINKS = frozenset(
    (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)
)


class LocalStore(Store):
    """Files below a folder; an object appears by the rename of a temporary file beside it.

    Args:
        root: absolute path of the folder.
        confined: read nothing but regular files below the root, links followed: for folders that
            others fill.

    Raises:
        UserError: there is no such folder.
    """

    def __init__(self, root: str, *, confined: bool = False) -> None:
        super().__init__(root)
        if not Path(root).is_dir():
            raise UserError(
                f"file://{root} does not exist or is no folder; create it or correct the URI"
            )
        self._confined = confined

    def uri(self, path: str) -> str:
        """See `Store`."""
        return f"file://{self._full(path)}"

    def local_path(self, path: str) -> Path:
        """See `Store`."""
        return Path(self._full(path))

    def read(self, path: str) -> bytes:
        """See `Store`."""
        return self._readable(path).read_bytes()

    def read_ranges(self, path: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        """See `Store`."""
        with self._readable(path).open("rb", buffering=0) as file:
            return [os.pread(file.fileno(), end - start, start) for start, end in ranges]

    def read_described(self, path: str, most: int) -> tuple[bytes, StoredObject]:
        """See `Store`."""
        with self._readable(path).open("rb") as file:
            data = file.read(most)
            # Described last, as a file may be written to while it is read.
            return data, _describe(path, os.fstat(file.fileno()))

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """See `Store`."""
        with self._readable(path).open("rb") as stream:
            yield stream

    def describe_opened(self, path: str, stream: IO[bytes]) -> StoredObject:
        """See `Store`."""
        return _describe(path, os.fstat(stream.fileno()))

    def stat(self, path: str) -> StoredObject:
        """See `Store`."""
        place = self._readable(path)
        if place.is_dir():
            raise FileNotFoundError(f"{place} is a folder")
        return _describe(path, place.stat())

    @contextmanager
    def writing(self, path: str, size: int = 0) -> Iterator[HashingWriter]:
        """See `Store`."""
        target = self.local_path(path)
        with _temporary_beside(target) as (temporary, file):
            yield HashingWriter(file)
            _flush_to_disk(file)
            temporary.replace(target)

    def create(self, path: str, data: bytes) -> bool:
        """See `Store`.

        Raises:
            NotImplementedError: the file system has no hard links.
        """
        target = self.local_path(path)
        with _temporary_beside(target) as (temporary, file):
            file.write(data)
            _flush_to_disk(file)
            try:
                os.link(temporary, target)  # unlike a rename, a link never replaces
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                raise NotImplementedError(f"no hard links here: {error}") from error
        return True

    def delete(self, path: str) -> None:
        """Removes one object, and the folders it leaves empty; one that is gone is no error."""
        place = self.local_path(path)
        place.unlink(missing_ok=True)
        with suppress(OSError):  # the first folder that is not empty, or is gone, ends it
            for folder in place.relative_to(self.root).parents:
                if folder != Path():
                    (Path(self.root) / folder).rmdir()

    def refresh(self, path: str) -> None:
        """See `Store`."""
        with suppress(FileNotFoundError):
            os.utime(self.local_path(path))

    def folders(self, path: str) -> list[str]:
        """See `Store`."""
        try:
            with os.scandir(self._full(path)) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def objects(self, path: str = "") -> Iterator[StoredObject]:
        """See `Store`."""
        return (item for item in self._files(path) if not is_temporary(item.path))

    def unfinished(self, path: str) -> Iterator[StoredObject]:
        """See `Store`."""
        return (item for item in self._files(path) if is_temporary(item.path))

    def discard_unfinished(self, item: StoredObject) -> None:
        """See `Store`."""
        self.delete(item.path)

    def _files(self, path: str) -> Iterator[StoredObject]:
        folders = [self._full(path)]
        while folders:
            folder = folders.pop()
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif status := _status(entry):
                        yield _describe(entry.path.removeprefix(self.root + "/"), status)

    def _readable(self, path: str) -> Path:
        place = self.local_path(path)
        if self._confined and os.path.lexists(place):
            target = Path(os.path.realpath(place))
            # Opening a pipe would wait for ever, and a link could lead to anything on the machine.
            if not (target.is_file() and target.is_relative_to(Path(self.root).resolve())):
                raise NotAnObjectError(
                    "not a regular file, or a link that leads out of the catalogue"
                )
        return place


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """Returns the status of a file, of a link's target, or of a link that leads nowhere."""
    for follow in (True, False):
        with suppress(OSError):
            return entry.stat(follow_symlinks=follow)
    return None  # gone meanwhile


def _describe(path: str, status: os.stat_result) -> StoredObject:
    fingerprint = f"stat:{status.st_size}:{status.st_mtime_ns}"
    return StoredObject(path, status.st_size, fingerprint, status.st_mtime)


@contextmanager
def _temporary_beside(target: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    # The final name is left out: with it, a long name could pass the file system's limit.
    temporary = target.parent / temporary_name()
    with naming_full_disk(target.parent):
        try:
            with _open_in_folder(temporary) as file:
                yield temporary, file
        finally:
            temporary.unlink(missing_ok=True)


def _open_in_folder(path: Path) -> IO[bytes]:
    # Between the two steps somebody may remove the folder, as it is empty. Nobody can do that
    # as often as this tries.
    for _ in range(100):
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("wb")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("wb")


def _flush_to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
