"""No task's memory grows with the catalogue."""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from tasks.lake import layout
from tasks.lake.arrays import write_npy
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.seals import new_attempt
from tasks.lake.store import Store
from tasks.landing import LandingReport, complete_landing
from tasks.run_plan import read_plan
from tests.faults.child_tasks import Tasks
from tests.faults.conftest import local_lake
from tests.tasks.pipeline import seal_vectors

SMALL, LARGE = 10_000, 100_000
SHARD = 200
DIMENSIONS, LATENT = 2048, 32
BASIS = np.random.default_rng(0).standard_normal((LATENT, DIMENSIONS), np.float32)


# A process counts what its parent held when it began: the parent must be small.
WITH_PEAK = """
import pathlib, resource, subprocess, sys
status = subprocess.run(sys.argv[2:]).returncode
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
pathlib.Path(sys.argv[1]).write_text(str(peak))
sys.exit(status)
"""


def peak_memory(tasks: Tasks, task: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Runs a task; returns the most memory it held, in KiB, and what it printed."""
    with tempfile.NamedTemporaryFile("r") as peak:
        wrapped = [sys.executable, "-c", WITH_PEAK, peak.name]
        printed = tasks.run(task, *arguments, wrapper=wrapped)
        return int(peak.read()), printed


def fill_catalogue(lake: Store, count: int) -> None:
    """Puts small pictures into the catalogue, a thousand in a folder."""
    buffer = io.BytesIO()
    Picture.effect_noise((24, 24), 60).convert("RGB").save(buffer, "jpeg")
    for number in range(count):
        file = lake.local_path(f"{layout.MASTER}/{number // 1000:04d}/{number:07d}.jpg")
        assert file
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(buffer.getvalue())


def make_shard(lake: Store, run: str, model: str, shard: str) -> None:
    """Leaves what `etl` and `vectorize` would have left, with made vectors."""
    members = list(read_lines(lake, read_plan(lake, run).members(shard), Image))
    rng = np.random.default_rng(int(shard[:8], 16))
    columns = {
        layout.NPY_IMAGE_NAMES: np.array([member.name for member in members]),
        layout.NPY_IMAGE_DIGESTS: np.array([rng.bytes(32).hex() for _ in members]),
    }
    artifacts = [
        write_npy(
            lake,
            new_attempt(layout.landing(shard, name)),
            column.shape,
            column.dtype,
            [column],
        )
        for name, column in columns.items()
    ]
    report = LandingReport(shard=shard, images=len(members), rejected=[], artifacts=artifacts)
    complete_landing(lake, report)
    # Like those of a network: not negative, and of far fewer dimensions than they have numbers.
    vectors = np.abs(rng.standard_normal((len(members), LATENT), np.float32) @ BASIS)
    seal_vectors(lake, model, shard, vectors)


def measure(folder: Path, model_once: Path, count: int) -> dict[str, int]:
    """Runs every task on a catalogue of that many images; returns the peak memory of each."""
    lake = local_lake(folder, model_once)
    fill_catalogue(lake, count)
    tasks = Tasks(lake, PIPELINE__SHARD_SIZE=str(SHARD))
    peaks: dict[str, int] = {}
    peaks["plan"], planned = peak_memory(tasks, "plan", "--run", "r")
    first, *others = (part["shard"] for part in planned["shards"])
    for task in ("etl", "feature_engineering", "vectorize"):
        peaks[task], _ = peak_memory(tasks, task, "--run", "r", "--shard", first)
    for shard in others:
        make_shard(lake, "r", planned["model"], shard)
    peaks["publish"], published = peak_memory(tasks, "publish", "--run", "r")
    assert published["images"] == count
    peaks["plan of a night"], planned = peak_memory(tasks, "plan", "--run", "night")
    assert not planned["anything_to_do"]
    query = "0000/0000500.jpg"
    peaks["search"], _ = peak_memory(tasks, "search", "--query", query)
    peaks["verify"], _ = peak_memory(tasks, "verify")
    peaks["prune"], _ = peak_memory(tasks, "prune", "--run", "r")
    return peaks


def test_ten_times_the_images_take_no_more_memory(
    model_once: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = measure(tmp_path / "small", model_once, SMALL)
    large = measure(tmp_path / "large", model_once, LARGE)
    with capsys.disabled():
        print(f"\npeak memory in MiB at {SMALL:,} and at {LARGE:,} images")
        for task, peak in small.items():
            print(f"  {task:20} {peak // 1024:5} {large[task] // 1024:5} {large[task] / peak:6.2f}")
    # A search holds the index, and maps the rows whose scores it computes: not the vectors.
    vectors = (LARGE - SMALL) * DIMENSIONS * 4 / 1024
    assert large.pop("search") - small.pop("search") < vectors / 4
    grown = {task: large[task] / peak for task, peak in small.items()}
    assert max(grown.values()) < 1.1, grown
