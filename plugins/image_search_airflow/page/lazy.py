"""The page as Airflow mounts it: built with the first request."""

import threading
from typing import Any


class LazyApp:
    """An ASGI application that is not imported before somebody asks for the page."""

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request."""
        with self._lock:
            if self._app is None:
                from image_search_airflow.page.app import build_app

                self._app = build_app()
        await self._app(scope, receive, send)
