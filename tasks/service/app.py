"""The routes of the service."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tasks.errors import UserError
from tasks.lake.store import DamagedError, TransferError
from tasks.searcher import Answer, Searcher
from tasks.service.access import TOKEN, is_allowed, is_meant_for_this_machine
from tasks.service.current_searcher import CurrentSearcher
from tasks.service.metrics import Metrics
from tasks.service.slots import BusyError, Slots
from tasks.settings import ServiceSettings

logger = logging.getLogger(__name__)

_AGAIN = {"Retry-After": "1"}
_DESCRIPTION = (
    "The images most like a picture, or like an image of the catalogue. "
    "With a token, send it as `Authorization: Bearer …`."
)

Form = Annotated[
    Literal["json", "png"], Query(alias="format", description="The answer as data or as a picture.")
]
Count = Annotated[int, Query(ge=1, description="How many images.")]


def make_app(
    current: CurrentSearcher, settings: ServiceSettings, tokens: tuple[str, ...]
) -> FastAPI:
    """Makes the service.

    Args:
        current: whose answers it gives.
        settings: what it may cost.
        tokens: one of which whoever searches must send; if there is none, only requests to an
            address of this machine for itself are answered.
    """
    service = _Service(current, settings, tokens)
    app = FastAPI(
        title="Image Search", description=_DESCRIPTION, version="1", lifespan=service.life
    )
    app.middleware("http")(service.watch)
    for path, route, method in (
        ("/search", service.by_name, "GET"),
        ("/search", service.by_picture, "POST"),
        ("/healthz", service.healthz, "GET"),
        ("/readyz", service.readyz, "GET"),
        ("/metrics", service.metrics_text, "GET"),
    ):
        app.add_api_route(path, route, methods=[method], response_model=None)
    _tell_errors(app)
    return app


class _Service:
    """What the routes share, and the routes; their docstrings are what /docs shows."""

    def __init__(
        self, current: CurrentSearcher, settings: ServiceSettings, tokens: tuple[str, ...]
    ) -> None:
        self._current, self._settings, self._tokens = current, settings, tokens
        self._slots = Slots(settings.at_once + settings.waiting)
        self._workers = ThreadPoolExecutor(settings.at_once, "search")
        self._metrics = Metrics(lambda: current.get().release.version, lambda: self._slots.taken)

    @asynccontextmanager
    async def life(self, _: FastAPI) -> AsyncIterator[None]:
        """Follows the releases while the service lives."""
        # A daemon: the service must not wait for a release that is being fetched when it ends.
        threading.Thread(target=self._current.follow, name="follow", daemon=True).start()
        yield
        self._current.stop()
        self._workers.shutdown(cancel_futures=True)

    async def watch(
        self, request: Request, follow: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        """Admits searches, and counts them."""
        if request.url.path != "/search":
            return await follow(request)
        began = time.monotonic()
        response = await _admitted(request, follow, self._slots, self._tokens)
        self._metrics.requests.labels(response.status_code).inc()
        if response.status_code == 200:
            self._metrics.seconds.observe(time.monotonic() - began)
        return response

    async def by_name(
        self,
        query: Annotated[str, Query(description="Name of an image, or a URI; a name wins.")],
        n: Count = 5,
        form: Form = "json",
    ) -> Response:
        """Searches by an image of the catalogue, or by one at a URI that the settings allow."""
        return await self._answer(lambda searcher: searcher.search(query, n), n, form)

    async def by_picture(self, request: Request, n: Count = 5, form: Form = "json") -> Response:
        """Searches by the picture that is the body of the request."""
        data = await _body(request, self._settings)
        return await self._answer(
            lambda searcher: searcher.search_picture(
                data, n, "picture", self._settings.upload_max_pixels
            ),
            n,
            form,
        )

    async def healthz(self) -> dict[str, str]:
        """Tells that the process is alive."""
        return {"status": "ok"}

    async def readyz(self) -> dict[str, Any]:
        """Tells that release and model are loaded and a place is free; 503 if none is."""
        with self._slots.one():
            return {"status": "ok", "release": self._current.get().release.version}

    async def metrics_text(self) -> Response:
        """Returns counters for Prometheus."""
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self._metrics.text(), media_type=kind)

    async def _answer(self, search: Callable[[Searcher], Answer], n: int, form: str) -> Response:
        if n > self._settings.most_results:
            raise UserError(f"n is {n}; ask for {self._settings.most_results} images at most")

        def work() -> Response:
            found = search(self._current.get())
            if form == "png":
                return Response(found.draw(None), media_type="image/png")
            return JSONResponse(found.document())

        return await asyncio.get_running_loop().run_in_executor(self._workers, work)


async def _admitted(
    request: Request,
    follow: Callable[[Request], Awaitable[Response]],
    slots: Slots,
    tokens: tuple[str, ...],
) -> Response:
    """Serves a request if it may ask and a place is free."""
    if not tokens and not is_meant_for_this_machine(request.headers.get("host", "")):
        only = f"without a token in {TOKEN} only http://localhost and 127.0.0.1 are answered"
        return JSONResponse({"error": only}, 403)
    if not is_allowed(tokens, request.headers.get("authorization", "")):
        return JSONResponse(
            {"error": "send the token: Authorization: Bearer …"},
            401,
            {"WWW-Authenticate": "Bearer"},
        )
    try:
        with slots.one():
            return await follow(request)
    except BusyError:
        return _busy()
    except Exception:  # pylint: disable=broad-exception-caught  # told here, so that it is counted
        logger.exception("a search failed")
        return JSONResponse({"error": "the search failed; the service's log says why"}, 500)


async def _body(request: Request, settings: ServiceSettings) -> bytes:
    """Reads the picture that a request brings, no more of it and no longer than is allowed."""
    most = settings.upload_max_bytes
    too_large = HTTPException(413, f"the picture is larger than {most} bytes")
    if int(request.headers.get("content-length", 0)) > most:
        raise too_large
    data = bytearray()
    try:
        async with asyncio.timeout(settings.upload_seconds):
            async for chunk in request.stream():
                data += chunk
                if len(data) > most:
                    raise too_large
    except TimeoutError as error:
        raise HTTPException(408, f"the picture took over {settings.upload_seconds} s") from error
    except ClientDisconnect as error:
        raise HTTPException(400, "the picture did not come to its end") from error
    return bytes(data)


def _busy() -> JSONResponse:
    return JSONResponse({"error": "too many searches at once; ask again"}, 503, _AGAIN)


def _tell_errors(app: FastAPI) -> None:
    """Makes a line of each error: `error`, and a status that says whether to ask again."""

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        reasons = (f"{it['loc'][-1]}: {it['msg']}" for it in error.errors())
        return JSONResponse({"error": "; ".join(reasons)}, 422)

    @app.exception_handler(UserError)
    async def wrong_query(_: Request, error: UserError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(BusyError)
    async def busy(_: Request, _error: BusyError) -> JSONResponse:
        return _busy()

    @app.exception_handler(MemoryError)
    async def too_little(_: Request, _error: MemoryError) -> JSONResponse:
        return JSONResponse({"error": "too little memory just now; ask again"}, 503, _AGAIN)

    @app.exception_handler(DamagedError)
    async def damaged(_: Request, error: DamagedError) -> JSONResponse:
        return JSONResponse({"error": f"{error}; image_reindex repairs it"}, 503, _AGAIN)

    @app.exception_handler(TransferError)
    async def away(_: Request, error: TransferError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 503, _AGAIN)
