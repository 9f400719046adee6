import subprocess
from pathlib import Path

import pytest

from benchmarks.photo_lake import PhotoLake
from demo.labelled import photographs
from tasks.lake.layout import MASTER


def test_a_task_is_told_with_its_result_and_its_time(tmp_path: Path) -> None:
    lake = PhotoLake(tmp_path, 1)
    name, data = next(photographs(1))
    (lake.root / MASTER / name).parent.mkdir(parents=True)
    (lake.root / MASTER / name).write_bytes(data)

    done = lake.run_task("plan", "--run", "night")

    assert [shard["images"] for shard in done.result["shards"]] == [1]
    assert done.seconds > 0
    assert done.processor > 0


def test_a_task_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        PhotoLake(tmp_path, 1).run_task("plan", "--run", "night")
