"""Work on many things at once, in order and with bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def begun(function: Callable[[], Result]) -> Future[Result]:
    """Begins to compute something beside what else the process does.

    The process does not end before that has. It must import nothing: some packages, such as OpenCV,
    are not whole for a moment while another thread imports them.
    """
    pool = ThreadPoolExecutor(1)
    future = pool.submit(function)
    pool.shutdown(wait=False)
    return future


def bounded_map(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    workers: int,
    size: Callable[[Item], int] = lambda _: 0,
    most: int = 0,
) -> Generator[Result, None, None]:
    """Yields `function(item)` in the order of the items, computed by threads a few items ahead.

    Unlike `Executor.map`, which takes in all items at once, this holds at most two results a
    worker. However it ends, no thread is left at work.

    Args:
        function: what to do with each item.
        items: what to work on.
        workers: how many threads there are.
        size: of an item, by which the result of one is about as large.
        most: sum of the sizes of all items under way and results not yet taken; a larger item goes
            alone.

    Raises:
        Exception: the first that `function` raised; later items are not begun.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[tuple[int, Future[Result]]] = deque()
        try:
            for item in items:
                needed = size(item)
                while waiting and needed + sum(held for held, _ in waiting) > most:
                    yield waiting.popleft()[1].result()
                waiting.append((needed, pool.submit(function, item)))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft()[1].result()
            while waiting:
                yield waiting.popleft()[1].result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
