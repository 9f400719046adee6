"""The page put together: documents, data, uploads, what an error looks like."""

import asyncio
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response, status
from fastapi.responses import JSONResponse, RedirectResponse

from image_search_airflow.page import api, documents, uploads
from image_search_airflow.page.headers import SafeHeaders
from image_search_airflow.page.worker import PageWorker, WorkerError, page_worker

_STATUSES = {
    "missing": status.HTTP_404_NOT_FOUND,
    "user": status.HTTP_400_BAD_REQUEST,
    "damaged": status.HTTP_503_SERVICE_UNAVAILABLE,
    "passing": status.HTTP_503_SERVICE_UNAVAILABLE,
}


def build_app(worker: PageWorker | None = None) -> FastAPI:
    """Returns the page as an application that Airflow mounts.

    Args:
        worker: who answers; by default the one of the settings.
    """
    app = FastAPI(title="Image Search", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.worker = worker or page_worker()
    app.state.upload_turns = asyncio.Semaphore(uploads.UPLOADS_AT_ONCE)
    app.include_router(uploads.router)
    app.include_router(api.router)
    app.include_router(documents.router)
    app.add_middleware(SafeHeaders)
    app.add_exception_handler(WorkerError, _worker_error)
    app.add_exception_handler(HTTPException, _refusal)
    return app


def _worker_error(_: Request, error: Exception) -> Response:
    kind = error.kind if isinstance(error, WorkerError) else ""
    code = _STATUSES.get(kind, status.HTTP_500_INTERNAL_SERVER_ERROR)
    return JSONResponse({"detail": str(error)}, code)


def _refusal(request: Request, error: Exception) -> Response:
    """Answers a person with a page, or the way to sign in, and a script with JSON."""
    if not isinstance(error, HTTPException):
        raise error
    wants_page = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
    if not wants_page:
        return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
    if error.status_code == status.HTTP_401_UNAUTHORIZED:
        back = quote(f"{request.url.path}?{request.url.query}".rstrip("?"), safe="")
        return RedirectResponse(f"../api/v2/auth/login?next={back}", status.HTTP_302_FOUND)
    response = documents.render("refused", reason=str(error.detail))
    response.status_code = error.status_code
    return response
