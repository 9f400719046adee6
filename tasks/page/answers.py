"""Answers: those that searches have left with their runs, and those to the name of an image."""

from typing import Any

from tasks.errors import UserError
from tasks.imaging.decode import DecodeLimits
from tasks.lake import layout
from tasks.lake.store import Store
from tasks.page.missing import MissingError
from tasks.page.open_releases import OpenRelease, OpenReleases
from tasks.page.thumbnails import image_thumbnail, picture_thumbnail
from tasks.query import read_query
from tasks.run_plan import open_catalogue
from tasks.settings import Settings

MOST_RESULTS = 1000


def similar_to(release: OpenRelease, name: str, n: int) -> dict[str, Any]:
    """Finds the images most like an image of the release, without that image itself.

    Raises:
        UserError: `n` is out of bounds.
        MissingError: the release has no such image.
    """
    if not 1 <= n <= MOST_RESULTS:
        raise UserError(f"ask for 1 to {MOST_RESULTS} images, not {n}")
    try:
        found = release.searcher.engine.most_similar_to_name(name, n + 1)
    except UserError as error:
        raise MissingError(str(error)) from error
    results = [
        {"rank": rank, "name": hit, "score": score}
        for rank, (score, hit) in enumerate(found[1:], start=1)
    ]
    return {
        "query": name,
        "release": release.manifest.version,
        "results": results,
        "warning": release.searcher.warning_of(name, found),
    }


def answer_of(lake: Store, run: str) -> dict[str, Any]:
    """Returns what a search run has found.

    Raises:
        MissingError: the run has no answer: it is another kind of run, under way, failed, pruned.
    """
    try:
        found = lake.read_json(layout.run(run, "result.json"))
    except FileNotFoundError as error:
        raise MissingError(f"run {run} has left no answer in the lake") from error
    hits = [{key: hit[key] for key in ("rank", "name", "score")} for hit in found["results"]]
    return {
        "query": found["query"],
        "uploaded": _is_uploaded(lake, run, found["query"]),
        "release": found["release"],
        "results": hits,
        "warning": found.get("warning", ""),
    }


def query_thumbnail(
    lake: Store, settings: Settings, releases: OpenReleases, run: str, side: int
) -> bytes:
    """Returns the thumbnail of the picture that a run searches with, a JPEG.

    While the run has no answer yet, only a picture that was uploaded is known.

    Raises:
        MissingError: there is no such picture, or it may not be shown.
    """
    try:
        answer = answer_of(lake, run)
    except MissingError:
        return _uploaded_thumbnail(lake, settings, run, side)
    query = answer["query"]
    release = releases.get(answer["release"])
    if release.table.get(query):
        return image_thumbnail(lake, release, query, side)
    catalogue = str(open_catalogue(lake, release.manifest.catalogue))
    # Not what somebody at a terminal allowed to herself: everybody who may look sees this.
    allowed = (str(lake), catalogue, *settings.query_prefixes)
    limits = DecodeLimits(**release.manifest.limits)
    try:
        data = read_query(query, allowed, limits.max_bytes)
    except UserError as error:
        raise MissingError(str(error)) from error
    return picture_thumbnail(lake, data, limits, side)


def _uploaded_thumbnail(lake: Store, settings: Settings, run: str, side: int) -> bytes:
    picture = next(iter(lake.objects(layout.query_picture(run, "").rstrip("/"))), None)
    if picture is None:
        raise MissingError(f"nothing is known yet of what run {run} searches with")
    page = settings.page
    limits = DecodeLimits(page.upload_max_bytes, page.upload_max_pixels)
    return picture_thumbnail(lake, lake.read(picture.path), limits, side)


def _is_uploaded(lake: Store, run: str, query: str) -> bool:
    return query.startswith(lake.uri(layout.query_picture(run, "")).rstrip("/") + "/")
