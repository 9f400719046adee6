"""A task on a slow lake: `python -m tests.faults.slow_task …` is `python -m tasks …`, only slower.

A task on a few small images starts for a second and then works for some milliseconds, and a kill
would meet the start. Here each step in the lake takes a while, and the first one is announced.
"""

import asyncio
import functools
import os
import runpy
import sys
import time
from typing import Any

import s3fs

PAUSE = 0.008
WORKING = "working in the lake"

_STEPS = {"open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir"}


def _slow_down_files(root: str) -> None:
    def before_step(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STEPS and str(arguments[0]).startswith(root):
            _say_that_work_has_begun()
            time.sleep(PAUSE)

    sys.addaudithook(before_step)


def _slow_down_s3() -> None:
    request = s3fs.S3FileSystem._call_s3  # pylint: disable=protected-access

    async def slow_request(*arguments: Any, **options: Any) -> Any:
        _say_that_work_has_begun()
        await asyncio.sleep(PAUSE)
        answer = await request(*arguments, **options)
        await asyncio.sleep(PAUSE)
        return answer

    s3fs.S3FileSystem._call_s3 = slow_request  # pylint: disable=protected-access


@functools.cache
def _say_that_work_has_begun() -> None:
    print(WORKING, file=sys.stderr, flush=True)


if __name__ == "__main__":
    lake = os.environ["IMAGE_SEARCH_LAKE"]
    if lake.startswith("file://"):
        _slow_down_files(lake.removeprefix("file://"))
    else:
        _slow_down_s3()
    runpy.run_module("tasks", run_name="__main__")
