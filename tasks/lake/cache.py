"""Artifacts as local files: where they lie, or fetched once and kept by their digest."""

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tasks.lake.disk import naming_full_disk
from tasks.lake.store import CHUNK, TEMPORARY_SUFFIX, Artifact, Store

_DAY = 86_400.0

# What this process has been given may not have been opened yet. To remove what somebody has open
# does no harm.
_given: set[Path] = set()


def local_file(store: Store, artifact: Artifact, cache: Path, max_bytes: int | None = None) -> Path:
    """Returns an artifact as a file on this machine's disk.

    Args:
        store: where the artifact is.
        artifact: as a manifest or model card names it.
        cache: folder for what has to be fetched; several processes may share it.
        max_bytes: as much stays there: once something has been fetched, what was used least
            recently goes, unless this process uses it. None to leave that to others.

    Raises:
        DamagedError: the artifact is missing or is not what its size and digest say.
    """
    return local_files(store, [artifact], cache, max_bytes)[0]


def local_files(
    store: Store, artifacts: Sequence[Artifact], cache: Path, max_bytes: int | None = None
) -> list[Path]:
    """Returns artifacts of one folder as files beside each other, under their own names.

    Args, Raises: see `local_file`.
    """
    digests = [artifact.sha256 for artifact in artifacts]
    together = hashlib.sha256(" ".join(digests).encode()).hexdigest()
    folder = cache.expanduser() / "artifacts"
    files = []
    for artifact in artifacts:
        if stored := store.local_path(artifact.path):
            store.verify(artifact)
            files.append(stored)
        else:
            kept = folder / together / Path(artifact.path).name
            _given.add(kept)
            files.append(_fetched(store, artifact, folder, kept))
    if max_bytes is not None and folder.exists():
        _trim(folder, max_bytes)
    return files


def _fetched(store: Store, artifact: Artifact, folder: Path, kept: Path) -> Path:
    if _digest(kept) == artifact.sha256:
        with suppress(OSError):  # it may be somebody else's
            os.utime(kept)
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        with (
            naming_full_disk(folder),
            store.open_verified(artifact) as source,
            temporary.open("wb") as file,
        ):
            shutil.copyfileobj(source, file, CHUNK)
        kept.parent.mkdir(exist_ok=True)
        temporary.replace(kept)
    finally:
        temporary.unlink(missing_ok=True)
    return kept


def _trim(folder: Path, max_bytes: int) -> None:
    """Removes what was used least recently, and what fetches that were killed have left."""
    found = []
    for path in folder.rglob("*"):
        with suppress(OSError):  # another process may trim, too
            if path.is_file():
                found.append((path.stat().st_mtime, path.stat().st_size, path))
    size = sum(size for _, size, _ in found)
    for used, bytes_, path in sorted(found):
        abandoned = path.suffix == TEMPORARY_SUFFIX and used < time.time() - _DAY
        spare = path.suffix != TEMPORARY_SUFFIX and path not in _given and size > max_bytes
        if abandoned or spare:
            with suppress(OSError):
                path.unlink()
                size -= bytes_
                path.parent.rmdir()  # unless something is beside it


def _digest(path: Path) -> str:
    """Returns the SHA-256 of a file, or nothing if there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
