"""change: what a night costs when all images are new, one in a hundred, some moved, or none."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Chart, Figure, Measured, Point, in_turns
from benchmarks.photo_lake import PhotoLake
from tasks.lake import layout

IMAGES, IMAGES_QUICK = 10_000, 150
_SHARE = 0.02
_SECONDS = 10.0
_BLOCK = 2**20


def figures(folder: Path, *, quick: bool) -> Iterator[Measured]:
    """Yields seconds of a full rebuild by task, and of the nights after it."""
    lake = PhotoLake(folder, IMAGES_QUICK if quick else IMAGES, models=folder.parent / "models")
    full = lake.full()
    for name, seconds in full.seconds.items():
        yield Figure(f"full rebuild of {lake.images:,} images: {name}", "s", seconds)
        yield Point(Chart.STAGES, f"full rebuild of {lake.images:,} images", name, seconds)
    yield _publishing(lake, full.seconds["publish"])
    nothing = lake.reindex("nothing")
    yield _night("nothing changed", nothing.total, _SECONDS, full.total)
    _rename(lake)
    renamed = lake.reindex("renamed")
    yield _night("one folder renamed", renamed.total, _SECONDS, full.total)
    yield Figure("images embedded then", "", renamed.embedded, goal="0", met=renamed.embedded == 0)
    changed = _change(lake)
    night = lake.reindex("changed")
    goal = _SHARE * full.total + _SECONDS
    yield _night(f"{changed} images changed (1 %)", night.total, goal, full.total)
    for name, seconds in night.seconds.items():
        yield Point(Chart.STAGES, "1 % changed", name, seconds)
    yield Figure(
        "images embedded then", "", night.embedded, goal=f"{changed}", met=night.embedded == changed
    )


def _publishing(lake: PhotoLake, seconds: float) -> Figure:
    """Compares `publish`, from the start of its process, with writing as many bytes to the disk."""
    release = lake.root / layout.release(1, "")
    size = sum(file.stat().st_size for file in release.iterdir())
    block = os.urandom(_BLOCK)

    def write() -> None:
        with tempfile.TemporaryFile(dir=lake.root) as file:
            for _ in range(-(-size // _BLOCK)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())

    disk = in_turns({"disk": write})["disk"].median
    return Figure(
        "publish, the release of the full rebuild",
        "MB/s",
        size / seconds / 1e6,
        bound=size / disk / 1e6,
        bound_name="writing as many bytes to this disk",
    )


def _night(name: str, seconds: float, goal: float, full: float) -> Figure:
    return Figure(
        name,
        "s",
        seconds,
        goal=f"<= {goal:.1f}",
        met=seconds <= goal,
        rival=full,
        rival_name="full rebuild",
        ratio=full / seconds,
    )


def _rename(lake: PhotoLake) -> None:
    """Renames the folder of a photograph, and back the next time."""
    master = lake.root / layout.MASTER
    there, back = master / "chelsea", master / "chelsea, renamed"
    old, new = (there, back) if there.exists() else (back, there)
    old.rename(new)


def _change(lake: PhotoLake) -> int:
    """Turns one in a hundred images into another of its neighbours; returns how many."""
    files = sorted((lake.root / layout.MASTER).rglob("*.jpg"))
    changed = files[::100]
    for number, file in enumerate(changed):
        # Bytes that no image of the catalogue has: a comment after the end of the picture.
        shutil.copyfile(files[number + 1], file)
        with file.open("ab") as end:
            end.write(f"{file.name} {file.stat().st_mtime_ns}".encode())
    return len(changed)
