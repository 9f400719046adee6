"""Artifacts as local files: where they lie, or fetched once and kept by their digest."""

import hashlib
import shutil
import uuid
from pathlib import Path

from tasks.errors import UserError
from tasks.lake.store import TEMPORARY_SUFFIX, Artifact, Store


def local_file(store: Store, artifact: Artifact, cache: Path) -> Path:
    """Returns an artifact as a file on this machine's disk.

    Args:
        store: where the artifact is.
        artifact: as a manifest or model card names it.
        cache: folder for what has to be fetched; several processes may share it.

    Raises:
        UserError: the artifact is missing or is not what its size and digest say.
    """
    stored = store.local_path(artifact.path)
    if stored:
        if not stored.is_file() or stored.stat().st_size != artifact.bytes:
            raise UserError(f"{stored} is missing or damaged; run image_reindex with full_rebuild")
        return stored
    folder = cache.expanduser() / "artifacts"
    kept = folder / f"{artifact.sha256}-{Path(artifact.path).name}"
    if kept.is_file() and kept.stat().st_size == artifact.bytes:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{uuid.uuid4().hex}{TEMPORARY_SUFFIX}"
    try:
        _download(store, artifact, temporary)
        temporary.replace(kept)
    finally:
        temporary.unlink(missing_ok=True)
    return kept


def _download(store: Store, artifact: Artifact, target: Path) -> None:
    try:
        with store.open(artifact.path) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 2**20)
    except FileNotFoundError as error:
        raise UserError(
            f"{store.uri(artifact.path)} is missing; run image_reindex with full_rebuild"
        ) from error
    with target.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != artifact.sha256:
            raise UserError(
                f"{store.uri(artifact.path)} is damaged: its digest is not {artifact.sha256}; "
                "run image_reindex with full_rebuild"
            )
