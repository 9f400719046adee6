"""`LandingReport`: what `etl` made of a shard, written last: who has one is complete."""

import hashlib
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.catalogue import ACCESS_DENIED
from tasks.lake.papers import encode_paper, read_paper
from tasks.lake.store import Artifact, Store


class RejectedMember(BaseModel):
    """An image of a shard that could not be used.

    Attributes:
        name: of the image.
        reason: why, in a few words.
        sha256: of its content; empty where it could not be read whole.
        passing: the reason lies in the moment (it went or changed while it was read), not in the
            file.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    reason: str
    sha256: str = ""
    passing: bool = False


class LandingReport(BaseModel):
    """What `etl` made of a shard: images in its arrays, rejections, what was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard: str
    images: int
    rejected: list[RejectedMember]
    artifacts: list[Artifact]

    @property
    def digest(self) -> str:
        """The SHA-256, in hex, of names, pixels and contents: equal for equal images, in order.

        What is made from a shard is sealed with it, and goes together with no other one's names.
        """
        parts = sorted(
            f"{PurePosixPath(item.path).name} {item.sha256}\n" for item in self.artifacts
        )
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    @property
    def settled(self) -> bool:
        """Tells whether another try would end the same way."""
        return not any(member.passing or member.reason == ACCESS_DENIED for member in self.rejected)

    def artifact(self, name: str) -> Artifact:
        """Returns one of the artifacts by its file name."""
        return next(item for item in self.artifacts if item.path.endswith(f"/{name}"))


def read_landing(lake: Store, shard: str) -> LandingReport | None:
    """Returns the report of a shard, or None if `etl` has not completed it or it was damaged."""
    try:
        document = read_paper(lake, layout.landing(shard, layout.REJECTED))
        report = LandingReport.model_validate(document)
    except (FileNotFoundError, ValueError):
        return None
    return report if lake.all_whole(layout.landing(shard, ""), report.artifacts) else None


def require_landing(lake: Store, shard: str) -> LandingReport:
    """Returns the report of a shard.

    Raises:
        UserError: `etl` has not completed it, or it was damaged.
    """
    report = read_landing(lake, shard)
    if report is None:
        raise UserError(f"shard {shard} has not landed; clear its task etl")
    return report


def complete_landing(lake: Store, report: LandingReport) -> LandingReport:
    """Makes what was landed count, unless the shard has landed meanwhile: the first one stands.

    Others may be at work on the first one already, and a late one may have seen other images.

    Returns:
        The report that stands.
    """
    path = layout.landing(report.shard, layout.REJECTED)
    data = encode_paper(report.model_dump(mode="json"))
    if lake.create(path, data):
        return report
    if standing := read_landing(lake, report.shard):
        return standing
    lake.write(path, data)  # what is there is damaged
    return report


def discard_landing(lake: Store, shard: str) -> None:
    """Puts a shard aside that turned out damaged: `etl` will make it again."""
    lake.delete(layout.landing(shard, layout.REJECTED))
