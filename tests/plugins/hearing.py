"""What operators log, as they log it."""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NoReturn

import structlog


@contextmanager
def hearing(hear: Callable[[str], None]) -> Iterator[None]:
    """Passes on what operators log, at the moment they do."""

    def processor(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> NoReturn:
        hear(event["event"])
        raise structlog.DropEvent

    processors = structlog.get_config()["processors"]
    before = processors.copy()
    processors[:] = [processor]
    try:
        yield
    finally:
        processors[:] = before
