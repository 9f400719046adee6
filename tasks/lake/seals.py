"""Seals: which attempt at an artifact counts, its size and digest, and what it was made from.

Each attempt writes to a place of its own, which nobody ever writes to again, and its seal then says
where. So whoever has read a seal stays on one attempt, whatever others do meanwhile, and of two
attempts at once either one counts, never the seal of the one with the data of the other.
"""

import uuid
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from pydantic import TypeAdapter

from tasks.lake import layout
from tasks.lake.papers import read_paper, write_paper
from tasks.lake.store import Artifact, Store


@dataclass(frozen=True)
class Seal:
    """The attempt that counts.

    Attributes:
        artifact: where it lies, its size and digest.
        source: digest of what it was made from.
    """

    artifact: Artifact
    source: str


_SEAL = TypeAdapter(Seal)


def new_attempt(path: str) -> str:
    """Returns a place for an attempt at the artifact at `path`, unlike that of any other one."""
    place = PurePosixPath(path)
    return str(place.parent / uuid.uuid4().hex / place.name)


def seal(store: Store, path: str, artifact: Artifact, source: str) -> None:
    """Completes the artifact at `path` with an attempt that has just been written.

    Args:
        store: where it is.
        path: by which the artifact is known.
        artifact: the attempt, see `new_attempt`.
        source: digest of what it was made from.
    """
    write_paper(store, path + layout.SEAL, asdict(Seal(artifact, source)))


def read_seal(store: Store, path: str) -> Seal | None:
    """Returns the seal at `path`, or None if what it names is not there with its size."""
    try:
        found = _SEAL.validate_python(read_paper(store, path + layout.SEAL))
    except (FileNotFoundError, ValueError):
        return None
    attempt, place = PurePosixPath(found.artifact.path), PurePosixPath(path)
    fits = (attempt.parent.parent, attempt.name) == (place.parent, place.name)
    return found if fits and store.is_whole(found.artifact) else None


def sealed(store: Store, path: str, source: str) -> Artifact | None:
    """Returns the artifact at `path`, or None if it is not complete or made from something else."""
    found = read_seal(store, path)
    return found.artifact if found and found.source == source else None


def refresh_seal(store: Store, path: str) -> None:
    """Makes an artifact as new as if it had just been completed, so that `prune` keeps it."""
    store.refresh(path + layout.SEAL)


def break_seal(store: Store, path: str) -> None:
    """Puts an artifact aside that turned out damaged: whoever makes it will make it again."""
    store.delete(path + layout.SEAL)
