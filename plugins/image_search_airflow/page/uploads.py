"""Takes a picture to search with: in parts, so that no more than one is in memory."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, HTTPException, Request, status

from image_search_airflow.contract import run_slug
from image_search_airflow.page.access import may_look, may_search, own_page_only
from image_search_airflow.page.api import Worker
from image_search_airflow.page.worker import PageWorker
from image_search_airflow.settings import Settings

_PART = 2**19
# As many as the worker keeps; those after them wait for their turn.
UPLOADS_AT_ONCE = 16
_LONGEST_SECONDS = 180.0

router = APIRouter(prefix="/api", dependencies=[may_look, may_search, own_page_only])


@router.post("/uploads", status_code=status.HTTP_201_CREATED)
async def upload(request: Request, worker: Worker) -> dict[str, Any]:
    """Takes the body of the request as a picture, and leaves it with a run that is yet to start.

    Returns:
        The id of that run, and the URI to give it as its `query_image`.

    Raises:
        HTTPException: 413, the picture is too large; 408, it did not arrive in time.
    """
    most = Settings().page.upload_max_bytes
    _check_size(int(request.headers.get("Content-Length") or 0), most)
    turns: asyncio.Semaphore = request.app.state.upload_turns
    try:
        async with asyncio.timeout(_LONGEST_SECONDS), turns:
            return await _take(request, worker, most)
    except TimeoutError as error:
        raise HTTPException(
            status.HTTP_408_REQUEST_TIMEOUT,
            "the picture did not arrive in time; try again, or give a smaller one",
        ) from error


async def _take(request: Request, worker: PageWorker, most: int) -> dict[str, Any]:
    token = (await worker.ask("upload_begin"))["upload"]
    received = 0
    async for part in _parts(request):
        received += len(part)
        _check_size(received, most)
        await worker.ask("upload_add", upload=token, data=base64.b64encode(part).decode())
    run_id = f"manual__{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}_{secrets.token_hex(6)}"
    stored = await worker.ask("upload_finish", upload=token, run=run_slug(run_id))
    return {"run_id": run_id, **stored}


async def _parts(request: Request) -> AsyncIterator[bytes]:
    waiting = bytearray()
    async for chunk in request.stream():
        waiting += chunk
        while len(waiting) >= _PART:
            yield bytes(waiting[:_PART])
            del waiting[:_PART]
    if waiting:
        yield bytes(waiting)


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise HTTPException(
            status.HTTP_413_CONTENT_TOO_LARGE,
            f"the picture is larger than {most} bytes; give a smaller one",
        )
