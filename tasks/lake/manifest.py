"""`Manifest`: what is in a release, what it was made with, what changed."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tasks.lake.store import Artifact

# Above this many, the manifest names only the first ones; the release's catalogue has them all.
MAX_REJECTIONS = 1_000


class Rejection(BaseModel):
    """One image that could not be used, and why."""

    model_config = ConfigDict(frozen=True)

    name: str
    reason: str


class Counts(BaseModel):
    """How many images a release holds, and what it changed against the one before."""

    model_config = ConfigDict(frozen=True)

    images: int
    rejected: int
    added: int
    changed: int
    renamed: int
    removed: int


class Manifest(BaseModel):
    """Everything needed to read and trust a release.

    `pipeline`, `preprocessing`, `limits` and `model` are pinned by the plan of the run; the lake
    keeps them without looking inside.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["complete"] = "complete"
    version: int
    previous: int | None
    created: str
    run: str
    catalogue: str
    prefix: str
    full_rebuild: bool
    look: int
    counts: Counts
    rejections: list[Rejection]
    pipeline: dict[str, Any]
    preprocessing: dict[str, Any]
    limits: dict[str, Any]
    model: dict[str, Any]
    checks: dict[str, float]
    artifacts: dict[str, Artifact]

    @property
    def created_seconds(self) -> float:
        """When the release was made, in seconds since 1970."""
        return datetime.fromisoformat(self.created).timestamp()

    @property
    def size(self) -> int:
        """Size in bytes of what this release alone holds, its model not counted."""
        return sum(artifact.bytes for artifact in self.artifacts.values())
