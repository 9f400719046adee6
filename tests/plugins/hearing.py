"""What operators log, as they log it."""

from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
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


def says_and_waits(heard: Path) -> str:
    """Returns a program that says "half way", and tells whether a file came while it waited."""
    return f"""
import os, sys, time
print("half way", file=sys.stderr, flush=True)
patience = 1000
while not os.path.exists({str(heard)!r}) and patience:
    time.sleep(0.01)
    patience -= 1
print('{{"heard":', "true" if patience else "false", "}}")
"""
