"""A task on a slow lake: `python -m tests.faults.slow_task …` is `python -m tasks …`, only slower.

A task on a few small images starts for a second and then works for some milliseconds, and a kill
would meet the start. Here each step in the lake takes a while. A task asked to stands still at a
step and says so, to be killed there however fast the machine is; one that ends says how many
steps it took.
"""

import asyncio
import atexit
import itertools
import os
import runpy
import sys
import time
from typing import Any

import s3fs

PAUSE = 0.008
STANDING = "standing still"
STEPS = "steps taken: "
STAND_AT = "STAND_AT_STEP"  # environment: the step, counted from 1

_FOREVER = 3600.0  # seconds; whoever asked for it kills the task long before
_numbers = itertools.count(1)
_STEPS = {"open", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir"}


def _slow_down_files(root: str) -> None:
    def before_step(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STEPS and str(arguments[0]).startswith(root):
            time.sleep(_seconds_of_step())

    sys.addaudithook(before_step)


def _slow_down_s3() -> None:
    request = s3fs.S3FileSystem._call_s3  # pylint: disable=protected-access

    async def slow_request(*arguments: Any, **options: Any) -> Any:
        await asyncio.sleep(_seconds_of_step())
        answer = await request(*arguments, **options)
        await asyncio.sleep(PAUSE)
        return answer

    s3fs.S3FileSystem._call_s3 = slow_request  # pylint: disable=protected-access


def _seconds_of_step() -> float:
    if next(_numbers) != int(os.environ.get(STAND_AT, "0")):
        return PAUSE
    print(STANDING, file=sys.stderr, flush=True)
    return _FOREVER


def _say_steps() -> None:
    print(f"{STEPS}{next(_numbers) - 1}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    lake = os.environ["IMAGE_SEARCH_LAKE"]
    if lake.startswith("file://"):
        _slow_down_files(lake.removeprefix("file://"))
    else:
        _slow_down_s3()
    atexit.register(_say_steps)
    runpy.run_module("tasks", run_name="__main__")
