"""Artifacts as local files: where they lie, or fetched once and kept by their digest."""

import hashlib
import shutil
import uuid
from pathlib import Path

from tasks.lake.store import CHUNK, TEMPORARY_SUFFIX, Artifact, Store


def local_file(store: Store, artifact: Artifact, cache: Path) -> Path:
    """Returns an artifact as a file on this machine's disk.

    Args:
        store: where the artifact is.
        artifact: as a manifest or model card names it.
        cache: folder for what has to be fetched; several processes may share it.

    Raises:
        DamagedError: the artifact is missing or is not what its size and digest say.
    """
    stored = store.local_path(artifact.path)
    if stored:
        store.verify(artifact)
        return stored
    folder = cache.expanduser() / "artifacts"
    kept = folder / f"{artifact.sha256}-{Path(artifact.path).name}"
    if kept.is_file() and _digest(kept) == artifact.sha256:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        with store.open_verified(artifact) as source, temporary.open("wb") as file:
            shutil.copyfileobj(source, file, CHUNK)
        temporary.replace(kept)
    finally:
        temporary.unlink(missing_ok=True)
    return kept


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
