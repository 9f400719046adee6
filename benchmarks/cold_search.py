"""cold_search: one search of 10,000 images from the start of the process, against other ways."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from PIL import Image

from benchmarks.figures import REPEATS, Figure, spread_of
from benchmarks.filled_lake import filled_lake
from benchmarks.processes import Cost, cost_of, task
from benchmarks.scale.made_lake import made_name
from demo.catalogue import encode, open_photo
from tasks.lake import layout
from tasks.lake.manifest import Manifest
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases

_IMAGES = 10_000
_TOP = "5"
_MOST_SECONDS, _MOST_SECONDS_BY_NAME, _LEAST_RATIO = 0.6, 0.35, 15.0
# Of a search by picture, by precision.
_MOST_MEGABYTES = {"float32": 300, "int8": 220}
# Noise is like nothing in the catalogue: a search has many more candidates.
_QUERIES = ("picture", "noise")


def figures(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """Yields seconds and memory of a search by picture, in each precision, and of one by name."""
    folder.mkdir(parents=True, exist_ok=True)
    lakes = {name: filled_lake(folder, _IMAGES, name) for name in _MOST_MEGABYTES}
    pictures = {name: folder / f"{name}.jpg" for name in _QUERIES}
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8))
    for name, image in zip(_QUERIES, (open_photo("motorcycle_right.png"), noise), strict=True):
        pictures[name].write_bytes(encode(image, "jpeg"))
    ways = {
        f"{precision} {name}": _search(lake, str(picture))
        for precision, lake in lakes.items()
        for name, picture in pictures.items()
    }
    ways["name"] = _search(lakes["float32"], made_name(0))
    rivals = [str(_seed_folder(folder / "seed", lakes["float32"])), str(pictures["picture"]), _TOP]
    ways["seed"] = [sys.executable, "-m", "benchmarks.seed_engine", *rivals]
    ways["script"] = [sys.executable, "-m", "benchmarks.onnx_script", *rivals]
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "IMAGE_SEARCH_QUERY_PREFIXES": json.dumps([str(folder)]),
    }
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for turn in range(1 + (2 if quick else REPEATS)):  # the first one warms up
        for name, command in ways.items():
            cost = cost_of(command, environment)
            if turn:
                costs[name].append(cost)
    yield from _seconds(costs)
    yield from _processor_seconds(costs)
    yield from _memory(costs)


def _search(lake: Path, query: str) -> list[str]:
    # The rivals print names and scores, and draw nothing.
    given = ("--no-picture", "--lake", lake.as_uri(), "--top-n", _TOP, "--query", query)
    return task("search", *given)


def _seconds(costs: dict[str, list[Cost]]) -> Iterator[Figure]:
    seconds = {name: spread_of([cost.seconds for cost in found]) for name, found in costs.items()}
    ours = seconds["float32 picture"]
    for rival, name, least in (
        ("seed", "the original's way (TensorFlow)", _LEAST_RATIO),
        ("script", "a script (ONNX Runtime, arrays in memory)", None),
    ):
        ratio = seconds[rival].median / ours.median
        yield Figure(
            f"cold search by picture, {_IMAGES:,} images",
            "s",
            ours.median,
            goal=f"<= {_MOST_SECONDS}, {least:.0f} x" if least else "",
            met=ours.median <= _MOST_SECONDS and ratio >= least if least else None,
            rival=seconds[rival].median,
            rival_name=name,
            ratio=ratio,
            low=ours.low,
            high=ours.high,
        )
    for name, what, most in (
        ("int8 picture", "the same in int8", _MOST_SECONDS),
        ("name", f"cold search by name, {_IMAGES:,} images", _MOST_SECONDS_BY_NAME),
    ):
        found = seconds[name]
        met = found.median <= most
        goal = f"<= {most}"
        yield Figure(what, "s", found.median, goal, met, low=found.low, high=found.high)


def _processor_seconds(costs: dict[str, list[Cost]]) -> Iterator[Figure]:
    spreads = {name: spread_of([cost.computing for cost in it]) for name, it in costs.items()}
    seed = spreads["seed"].median
    for name in ("float32 picture", "int8 picture", "name", "script"):
        yield Figure(
            f"processor time of a cold search: {name}",
            "s",
            spreads[name].median,
            rival=seed,
            rival_name="the original's way",
            ratio=seed / spreads[name].median,
            low=spreads[name].low,
            high=spreads[name].high,
        )


def _memory(costs: dict[str, list[Cost]]) -> Iterator[Figure]:
    memory = {name: max(cost.megabytes for cost in found) for name, found in costs.items()}
    for precision, most in _MOST_MEGABYTES.items():
        for name in _QUERIES:
            ours = memory[f"{precision} {name}"]
            yield Figure(
                f"memory of a cold search by {name}, {precision}",
                "MB",
                ours,
                goal=f"<= {most}",
                met=ours <= most,
                rival=memory["script"],
                rival_name="a script",
                ratio=memory["script"] / ours,
            )
    yield Figure("memory of a cold search by name", "MB", memory["name"])
    yield Figure("memory of the original's way", "MB", memory["seed"])


def _current(lake: Path) -> Manifest:
    release = Releases(open_store(lake.as_uri())).current()
    if release is None:
        raise RuntimeError(f"{lake} has no release")
    return release


def _seed_folder(folder: Path, lake: Path) -> Path:
    """Puts beside each other what the rivals load."""
    folder.mkdir(exist_ok=True)
    release = lake / layout.release(_current(lake).version, "")
    for name in (layout.NPY_IMAGE_NAMES, layout.NPY_IMAGE_VECTORS):
        shutil.copyfile(release / name, folder / name)
    (model,) = (lake / layout.MODEL).iterdir()
    shutil.copyfile(model / layout.TF_VECTORIZER_MODEL, folder / layout.TF_VECTORIZER_MODEL)
    onnx.save_model(onnx.load(model / layout.ONNX_VECTORIZER_MODEL), folder / "model.onnx")
    return folder
