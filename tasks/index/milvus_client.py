"""A client of Milvus whose errors are one line that says what to do."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

from tasks.errors import UserError
from tasks.lake.store import TransferError


class Client:
    """What `pymilvus.MilvusClient` offers, at one place.

    Args:
        uri: of a Milvus server, or a path that ends in `.db`: Milvus Lite, one process at a time.
        token: of the server; empty for none.

    Raises:
        UserError: the packages are not installed, or the server refuses the token.
        TransferError: the server does not answer, or another process has the file; so do all calls.
    """

    def __init__(self, uri: str, token: str) -> None:
        try:
            from pymilvus import MilvusClient
        except ModuleNotFoundError as error:
            raise UserError(
                "no package pymilvus here; run `make install`, or build the image with "
                "VECTOR_DATABASE=milvus"
            ) from error
        # They log tracebacks; what fails is told here.
        for chatty in ("grpc", "pymilvus", "milvus_lite"):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)
        self._uri, self.is_file = uri, "://" not in uri
        if self.is_file:
            Path(uri).parent.mkdir(parents=True, exist_ok=True)
        with self.talking(", or another process has it open" if self.is_file else ""):
            self._client = MilvusClient(uri, token=token)

    @contextmanager
    def talking(self, hint: str = "") -> Iterator[None]:
        """Turns what Milvus answers in this block, if it is an error, into one line."""
        from pymilvus.exceptions import MilvusException

        try:
            yield
        except MilvusException as error:
            if "UNAUTHENTICATED" in str(error.__cause__):
                raise UserError(
                    f"Milvus at {self._uri} refuses the token; set MILVUS_TOKEN to user:password "
                    "or to an API key"
                ) from error
            reason = str(error.message).partition("\n")[0]
            raise TransferError(f"Milvus at {self._uri}: {reason}{hint}") from error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Returns a method of the client that raises our errors."""
        method = getattr(self._client, name)

        @wraps(method)
        def call(*args: Any, **named: Any) -> Any:
            with self.talking():
                return method(*args, **named)

        return call
