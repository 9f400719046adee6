"""Progress of long work: a bar on a terminal, a line every few seconds elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES = 10.0

logger = logging.getLogger(__name__)


def track(items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
    """Yields the items and shows how many of `total` are through.

    Args:
        items: what is worked on; each counts when the next is asked for.
        total: how many there will be.
        label: what is being done, e.g. "reading images".
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track as rich_track

        yield from rich_track(items, label, total=total, console=Console(stderr=True))
        return
    started = shown = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - shown >= _SECONDS_BETWEEN_LINES:
            shown = now
            logger.info("%s: %d of %d, %.1f/s", label, done, total, done / (now - started))
    if done:
        logger.info("%s: %d in %.1f s", label, done, time.monotonic() - started)
