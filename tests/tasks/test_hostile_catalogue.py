"""A catalogue of hundreds of hostile files goes through plan and etl as the DAG runs them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tasks.imaging.network_input import resized_rgb
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tests.tasks.imaging.hostile import MAX_BYTES, MAX_PIXELS, hostile_files
from tests.tasks.imaging.samples import encode, photo, shown_by_pillow
from tests.tasks.pipeline import REPOSITORY, attempt

# Pillow also warns of the damage that is then rejected.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

Rgb = npt.NDArray[np.uint8]

THREADS = 2
# What `decode_image` says it takes, and the file itself.
PER_IMAGE = 3 * MAX_BYTES + 24 * MAX_PIXELS + 16 * 2**20
# Starts a task, and tells its exit status and its peak in KiB. A process in between, because a
# process inherits the peak of the one that starts it, here of the tests.
LAUNCHER = """
import json, os, sys
command = [sys.executable, "-m", "tasks", *sys.argv[1:]]
_, status, usage = os.wait4(os.posix_spawn(sys.executable, command, os.environ), 0)
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss]))
"""


def run_task(lake: Path, *arguments: str) -> tuple[Any, int, str]:
    """Runs a task in a process of its own; returns summary, peak memory in bytes, and log."""
    settings = {
        "IMAGE_SEARCH_LIMITS__MAX_BYTES": str(MAX_BYTES),
        "IMAGE_SEARCH_LIMITS__MAX_PIXELS": str(MAX_PIXELS),
        "IMAGE_SEARCH_THREADS": str(THREADS),
    }
    task = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *arguments, "--lake", lake.as_uri()],
        cwd=REPOSITORY,
        env=os.environ | settings,
        check=True,
        capture_output=True,
        text=True,
    )
    *output, told = task.stdout.splitlines()
    status, peak_in_kib = json.loads(told)
    assert status == 0, task.stderr[-2_000:]
    return json.loads(output[-1]), 1024 * peak_in_kib, task.stderr


def load(lake: Path, run: str) -> tuple[dict[str, Rgb], dict[str, str], int]:
    """Runs plan and etl; returns resized images and reasons, by name, and the peak of etl."""
    images: dict[str, Rgb] = {}
    reasons: dict[str, str] = {}
    peaks = []
    for shard in run_task(lake, "plan", "--run", run)[0]["shards"]:
        name = shard["shard"]
        peaks.append(run_task(lake, "etl", "--run", run, "--shard", name)[1])
        pixels, names = (
            np.load(lake / attempt(open_store(lake.as_uri()), layout.landing(name, array)))
            for array in (layout.NPY_RESIZED_RGB, layout.NPY_IMAGE_NAMES)
        )
        images |= dict(zip(names.tolist(), pixels, strict=True))
        report = json.loads((lake / layout.landing(name, layout.REJECTED)).read_bytes())
        reasons |= {member["name"]: member["reason"] for member in report["rejected"]}
    return images, reasons, max(peaks)


def put(master: Path, name: str, data: bytes) -> None:
    (master / name).parent.mkdir(parents=True, exist_ok=True)
    (master / name).write_bytes(data)


def test_every_hostile_file_is_indexed_rightly_or_put_aside_with_a_true_reason(
    master: Path,
) -> None:
    lake = master.parent
    put(master, "small.png", encode(photo(), "PNG"))
    *_, peak_of_one = load(lake, "one")
    files = {file.name: file for file in hostile_files()}
    for name, file in files.items():
        put(master, name, file.data)

    images, reasons, peak = load(lake, "all")

    assert images.keys() | reasons.keys() == files.keys() | {"small.png"}
    assert not images.keys() & reasons.keys()
    for name, reason in reasons.items():
        assert re.search(files[name].rejected or "$^", reason), (name, reason)
    for name in images.keys() & files.keys():
        assert files[name].shown, name
        expected = resized_rgb(shown_by_pillow(files[name].shown), Preprocessing())
        difference = np.abs(images[name].astype(int) - expected).mean()
        assert difference < files[name].tolerance, name
    resized = sum(image.nbytes for image in images.values())
    assert peak <= peak_of_one + resized + THREADS * PER_IMAGE


def test_a_name_that_is_not_valid_utf_8_is_left_out_and_logged(master: Path) -> None:
    put(master, "fine.png", encode(photo(), "PNG"))
    (master / os.fsdecode(b"not \xff utf-8.png")).write_bytes(b"")

    summary, _, log = run_task(master.parent, "plan", "--run", "r")

    assert [shard["images"] for shard in summary["shards"]] == [1]
    assert "its name is not valid UTF-8" in log
