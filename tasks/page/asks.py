"""Everything that the page may ask, by name: what the worker looks a question up in."""

import base64
from collections.abc import Callable
from functools import cached_property
from typing import Any

from tasks.imaging.decode import RejectedImage
from tasks.imaging.header import read_header
from tasks.lake.manifest import Manifest
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.page.answers import answer_of, query_thumbnail, similar_to
from tasks.page.image_table import ImageTable, Match
from tasks.page.missing import MissingError
from tasks.page.near_duplicates import NearDuplicates
from tasks.page.open_releases import OpenRelease, OpenReleases
from tasks.page.reindex_report import reindex_report
from tasks.page.thumbnails import image_thumbnail, read_image
from tasks.page.uploads import Uploads
from tasks.run_plan import open_catalogue
from tasks.settings import Settings

Answer = dict[str, Any]


class Asks:
    """Answers the questions of the page: each method that is no property is one.

    A release is given by version; 0 stands for the one that search uses.

    Args:
        lake: URI of the lake. It is opened with the first question, so that what is wrong with it
            is an answer.
        settings: of this machine.
    """

    def __init__(self, lake: str, settings: Settings) -> None:
        self._uri, self._settings = lake, settings

    def find(self, ask: str) -> Callable[..., Answer]:
        """Returns what answers a question.

        Raises:
            MissingError: the page may not ask that.
        """
        if ask.startswith("_") or ask == "find" or not callable(getattr(type(self), ask, None)):
            raise MissingError(f"there is no question {ask!r}")
        return getattr(self, ask)  # type: ignore[no-any-return]

    def releases(self) -> Answer:
        """Tells which releases there are, and which one search uses."""
        releases = Releases(self._lake)
        pinned = releases.pinned()
        found = list(releases.newest_first())
        if not found:
            self._check_lake()
        current = self._open.get(0).manifest.version if found else None
        return {
            "current": current,
            "pinned": pinned is not None,
            "releases": [_summary(manifest) for manifest in found],
        }

    def release(self, version: int = 0) -> Answer:
        """Describes one release."""
        return _summary(self._open.get(version).manifest)

    def images(self, version: int, *, wanted: str, match: Match, offset: int, limit: int) -> Answer:
        """Lists the images of a release."""
        release = self._open.get(version)
        total, images = release.table.page(wanted, match, offset, limit)
        return {"release": release.manifest.version, "total": total, "images": images}

    def sample(self, count: int) -> Answer:
        """Returns some images of the current release to begin with."""
        release = self._open.get(0)
        return {"release": release.manifest.version, "images": release.table.sample(count)}

    def folders(self, version: int) -> Answer:
        """Returns the largest folders of a release."""
        return {"folders": self._open.get(version).table.folders()}

    def image(self, version: int, name: str) -> Answer:
        """Describes one image of a release: where it is, how large, what it is."""
        release = self._open.get(version)
        image = release.table.get(name)
        if image is None:
            raise MissingError(f"release {release.manifest.version} has no image {name!r}")
        described = {
            "release": release.manifest.version,
            "created": release.manifest.created,
            "name": image.name,
            "bytes": image.bytes,
            "sha256": image.sha256,
            "rejected": image.rejected,
            "uri": open_catalogue(self._lake, release.manifest.catalogue).uri(name),
        }
        try:
            header = read_header(read_image(self._lake, release, name))
        except (MissingError, RejectedImage) as error:
            return described | {"gone": str(error)}
        return described | {
            "format": header.format,
            "width": header.width,
            "height": header.height,
        }

    def thumbnail(self, version: int, name: str, side: int) -> Answer:
        """Returns the thumbnail of an image of a release, in base64."""
        return _encoded(image_thumbnail(self._lake, self._open.get(version), name, side))

    def similar(self, version: int, name: str, n: int) -> Answer:
        """Finds the images most like one of a release."""
        return similar_to(self._open.get(version), name, n)

    def answer(self, run: str) -> Answer:
        """Returns what a search run has found."""
        return answer_of(self._lake, run)

    def query_thumbnail(self, run: str, side: int) -> Answer:
        """Returns the thumbnail of what a run has searched with, in base64."""
        return _encoded(query_thumbnail(self._lake, self._settings, self._open, run, side))

    def reindex(self, run: str) -> Answer:
        """Returns what a reindex run did."""
        return reindex_report(self._lake, run)

    def changes(self, version: int, kind: str, offset: int, limit: int) -> Answer:
        """Lists what a release has changed against the one before, or what it has rejected."""
        release = self._open.get(version)
        answer = {"release": release.manifest.version, "previous": release.manifest.previous}
        if kind == "rejected":
            total, images = release.table.rejected(offset, limit)
            return answer | {"total": total, "images": images}
        changes = release.table.changes(self._previous(release))
        total, images = changes.page(kind, offset, limit)
        return answer | {"counts": changes.counts(), "total": total, "images": images}

    def duplicates(self, version: int, start: bool) -> Answer:
        """Tells how far the search for near-duplicates is, and starts it if asked to."""
        release = self._open.get(version)
        return self._duplicates.start(release) if start else self._duplicates.state(release)

    def duplicate_groups(self, version: int, threshold: float, offset: int, limit: int) -> Answer:
        """Lists groups of near-duplicates."""
        return self._duplicates.groups(self._open.get(version), threshold, offset, limit)

    def busy(self) -> Answer:
        """Tells whether something is under way that would be lost with this process."""
        return {"busy": self._duplicates.is_busy()}

    def upload_begin(self) -> Answer:
        """Starts an upload."""
        return self._uploads.begin()

    def upload_add(self, upload: str, data: str) -> Answer:
        """Adds a part to an upload, in base64."""
        return self._uploads.add(upload, data)

    def upload_finish(self, upload: str, run: str) -> Answer:
        """Checks an upload and leaves it with a run."""
        self._check_lake()
        return self._uploads.finish(upload, run)

    @cached_property
    def _lake(self) -> Store:
        return open_store(self._uri)

    @cached_property
    def _open(self) -> OpenReleases:
        return OpenReleases(self._lake, self._settings)

    @cached_property
    def _uploads(self) -> Uploads:
        return Uploads(self._lake, self._settings.page)

    @cached_property
    def _duplicates(self) -> NearDuplicates:
        return NearDuplicates(self._lake, self._settings)

    def _check_lake(self) -> None:
        """Refuses to go on with a lake that has gone: it would seem empty, or be made anew."""
        open_store(self._uri)

    def _previous(self, release: OpenRelease) -> ImageTable | None:
        before = release.manifest.previous
        return self._open.get(before).table if before else None


def _summary(manifest: Manifest) -> Answer:
    return {
        "version": manifest.version,
        "previous": manifest.previous,
        "created": manifest.created,
        "run": manifest.run,
        "catalogue": manifest.catalogue,
        **manifest.counts.model_dump(),
        "model": manifest.model["id"],
        "bytes": manifest.size,
        "checks": manifest.checks,
    }


def _encoded(data: bytes) -> Answer:
    return {"data": base64.b64encode(data).decode()}
