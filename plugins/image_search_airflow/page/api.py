"""What the scripts of the page fetch: questions to the worker, checked and passed on."""

import base64
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from image_search_airflow.contract import run_slug
from image_search_airflow.page.access import (
    Rights,
    may_look,
    may_search,
    may_see_reindex,
    own_page_only,
)
from image_search_airflow.page.headers import PICTURE_POLICY
from image_search_airflow.page.worker import PageWorker, WorkerError
from image_search_airflow.settings import Settings

_AN_HOUR = 3600

Json = dict[str, Any]


def worker_of(request: Request) -> PageWorker:
    """Returns the worker of this process."""
    worker: PageWorker = request.app.state.worker
    return worker


Worker = Annotated[PageWorker, Depends(worker_of)]
Release = Annotated[int, Query(ge=0, description="Version; 0 for the one that search uses.")]
Name = Annotated[str, Query(min_length=1, max_length=4096)]
RunId = Annotated[str, Query(min_length=1, max_length=250)]
Offset = Annotated[int, Query(ge=0, le=2**40)]
Limit = Annotated[int, Query(ge=1, le=500)]
Side = Annotated[int, Path(ge=1, le=4096)]
Change = Literal["added", "changed", "renamed", "removed", "rejected"]

router = APIRouter(prefix="/api", dependencies=[may_look])


@router.get("/state")
async def state(rights: Rights, worker: Worker) -> Json:
    """Tells who asks and what she may do, and whether there is a release."""
    known = {**rights, "upload_max_bytes": Settings().page.upload_max_bytes}
    try:
        return {**known, **await worker.ask("releases")}
    except WorkerError as error:
        return {**known, "problem": str(error)}


@router.get("/images")
async def images(  # pylint: disable=too-many-arguments,too-many-positional-arguments  # one page of a list
    worker: Worker,
    release: Release = 0,
    wanted: Annotated[str, Query(max_length=1024)] = "",
    match: Literal["contains", "prefix"] = "contains",
    offset: Offset = 0,
    limit: Limit = 100,
) -> Json:
    """Lists images by name."""
    return await worker.ask(
        "images", version=release, wanted=wanted, match=match, offset=offset, limit=limit
    )


@router.get("/sample")
async def sample(worker: Worker, count: Limit = 12) -> Json:
    """Returns some images to begin with."""
    return await worker.ask("sample", count=count)


@router.get("/folders")
async def folders(worker: Worker, release: Release = 0) -> Json:
    """Lists the largest folders."""
    return await worker.ask("folders", version=release)


@router.get("/image")
async def image(worker: Worker, name: Name, release: Release = 0) -> Json:
    """Describes one image."""
    return await worker.ask("image", version=release, name=name)


@router.get("/thumbnail/{side}")
async def thumbnail(worker: Worker, side: Side, name: Name, release: Release) -> Response:
    """Returns an image of the catalogue, small."""
    answered = await worker.ask("thumbnail", version=release, name=name, side=side)
    return _picture(answered, kept=bool(release))


@router.get("/similar", dependencies=[may_search])
async def similar(
    worker: Worker, name: Name, n: Annotated[int, Query(ge=1, le=200)], release: Release = 0
) -> Json:
    """Finds the images most like one of the catalogue."""
    return await worker.ask("similar", version=release, name=name, n=n)


@router.get("/answer")
async def answer(worker: Worker, run_id: RunId) -> Json:
    """Returns what a run of `image_search` has found."""
    return await worker.ask("answer", run=run_slug(run_id))


@router.get("/answer/thumbnail/{side}")
async def query_thumbnail(worker: Worker, side: Side, run_id: RunId) -> Response:
    """Returns what a run of `image_search` searches with, small."""
    answered = await worker.ask("query_thumbnail", run=run_slug(run_id), side=side)
    return _picture(answered, kept=True)


@router.get("/reindex", dependencies=[may_see_reindex])
async def reindex(worker: Worker, run_id: RunId) -> Json:
    """Returns what a run of `image_reindex` did."""
    return await worker.ask("reindex", run=run_slug(run_id))


@router.get("/release")
async def release_(worker: Worker, release: Release = 0) -> Json:
    """Describes one release."""
    return await worker.ask("release", version=release)


@router.get("/changes/{kind}")
async def changes(
    worker: Worker, kind: Change, release: Release = 0, offset: Offset = 0, limit: Limit = 60
) -> Json:
    """Lists what a release has changed, or rejected."""
    return await worker.ask("changes", version=release, kind=kind, offset=offset, limit=limit)


@router.get("/duplicates")
async def duplicates(worker: Worker, release: Release = 0) -> Json:
    """Tells how far the search for near-duplicates is."""
    return await worker.ask("duplicates", version=release, start=False)


@router.post("/duplicates", dependencies=[may_search, own_page_only])
async def start_duplicates(worker: Worker, release: Release = 0) -> Json:
    """Starts to look for near-duplicates."""
    return await worker.ask("duplicates", version=release, start=True)


@router.get("/duplicates/groups")
async def duplicate_groups(
    worker: Worker,
    threshold: Annotated[float, Query(ge=0, le=1)],
    release: Release = 0,
    offset: Offset = 0,
    limit: Limit = 20,
) -> Json:
    """Lists groups of near-duplicates."""
    return await worker.ask(
        "duplicate_groups", version=release, threshold=threshold, offset=offset, limit=limit
    )


def _picture(answered: Json, *, kept: bool) -> Response:
    headers = {
        # Its address names a release or a run, and these never change; a lake may, behind it.
        "Cache-Control": f"private, max-age={_AN_HOUR}, immutable" if kept else "no-store",
        "Content-Disposition": 'inline; filename="thumbnail.jpg"',
        "Content-Security-Policy": PICTURE_POLICY,
    }
    return Response(base64.b64decode(answered["data"]), media_type="image/jpeg", headers=headers)
