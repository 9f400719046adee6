"""Seals: size and digest of an artifact, stored after it. Without its seal it does not count.

A seal makes an artifact complete for everybody at once, and tells later whether it still is what
was stored.
"""

from dataclasses import asdict

from pydantic import TypeAdapter, ValidationError

from tasks.lake import layout
from tasks.lake.store import Artifact, Store

_ARTIFACT = TypeAdapter(Artifact)


def seal(store: Store, artifact: Artifact) -> None:
    """Completes an artifact that has just been written."""
    store.write_json(artifact.path + layout.SEAL, asdict(artifact))


def sealed(store: Store, path: str) -> Artifact | None:
    """Returns the artifact at `path`, or None if it is not complete or has another size by now."""
    try:
        artifact = _ARTIFACT.validate_json(store.read(path + layout.SEAL))
    except (FileNotFoundError, ValidationError):
        return None
    return artifact if artifact.path == path and store.is_whole(artifact) else None


def break_seal(store: Store, path: str) -> None:
    """Puts an artifact aside that turned out damaged: whoever makes it will make it again."""
    store.delete(path + layout.SEAL)
