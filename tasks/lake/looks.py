"""Looks at the catalogue, in order: each takes a number before it begins.

Which of two looks was the later one, no clock can tell: those of two machines differ, and a bucket
tells the time in seconds. An exclusive create can.
"""

import json
import uuid
from pathlib import PurePosixPath

from tasks.lake import layout
from tasks.lake.store import Store


def take_look(lake: Store, run: str) -> int:
    """Takes the next number for a look at the catalogue that is about to begin.

    Args:
        lake: the data lake.
        run: who looks, for whoever looks into the folder.

    Returns:
        The number: higher than that of every look which has begun before.
    """
    number = newest_look(lake) + 1
    note = json.dumps({"run": run, "attempt": uuid.uuid4().hex}).encode()
    while not lake.create(layout.look(number), note):
        number += 1
    return number


def newest_look(lake: Store) -> int:
    """Returns the highest number that has been taken, 0 if none has."""
    return max((look_number(item.path) for item in lake.objects(layout.LOOKS)), default=0)


def look_number(path: str) -> int:
    """Returns the number that an object of the folder stands for, 0 if for none."""
    stem = PurePosixPath(path).stem
    return int(stem) if stem.isdecimal() else 0
