"""Progress of long work: a bar on a terminal, a line every few seconds elsewhere."""

import logging
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_SECONDS_BETWEEN_LINES = 10.0

logger = logging.getLogger(__name__)


def track(
    items: Iterable[Item], total: int | None, label: str, size: Callable[[Item], int] = lambda _: 1
) -> Generator[Item, None, None]:
    """Yields the items and shows how much of `total` is through.

    Args:
        items: what is worked on; each is through when the next is asked for.
        total: of the sizes of all items, if it is known.
        label: what is being done, e.g. "reading images".
        size: of an item, e.g. `len` for batches of images.
    """
    if sys.stderr.isatty():
        yield from _with_bar(items, total, label, size)
    else:
        yield from _with_lines(items, total, label, size)


def _with_bar(
    items: Iterable[Item], total: int | None, label: str, size: Callable[[Item], int]
) -> Iterator[Item]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total)
        for item in items:
            yield item
            progress.advance(task, size(item))


def _with_lines(
    items: Iterable[Item], total: int | None, label: str, size: Callable[[Item], int]
) -> Iterator[Item]:
    started = shown = time.monotonic()
    done, of_total = 0, f" of {total}" if total is not None else ""
    for item in items:
        yield item
        done += size(item)
        now = time.monotonic()
        if now - shown >= _SECONDS_BETWEEN_LINES:
            shown = now
            logger.info("%s: %d%s, %.1f/s", label, done, of_total, done / (now - started))
    if done:
        logger.info("%s: %d in %.1f s", label, done, time.monotonic() - started)
