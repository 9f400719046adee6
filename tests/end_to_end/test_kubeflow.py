"""The Kubeflow pipelines, run in containers by KFP's own local runner: no cluster ran them."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tests.end_to_end.same_results import assert_same_release, copy, hand_over

pytestmark = pytest.mark.docker

REPOSITORY = Path(__file__).parents[2]
KUBEFLOW = REPOSITORY / ".venv" / "kubeflow" / "bin" / "python"


def run(pipeline: str, lake: Store, **arguments: Any) -> Any:
    """Runs a pipeline; returns what it returns."""
    folder = lake.local_path("")
    command = [KUBEFLOW, "-m", "tests.pipelines.run_kubeflow", pipeline]
    done = subprocess.run(
        [*command, json.dumps({"lake": str(lake), **arguments}), str(folder)],
        cwd=REPOSITORY,
        env={
            **{name: value for name, value in os.environ.items() if "IMAGE_SEARCH" not in name},
            "PYTHONPATH": "plugins:.",
            "IMAGE_SEARCH_PIPELINE__SHARD_SIZE": "3",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_the_pipelines_reindex_and_search_in_containers(
    process_lake: Store, tmp_path: Path
) -> None:
    (tmp_path / "lake").mkdir()
    lake = open_store((tmp_path / "lake").as_uri())
    copy(process_lake, lake, "master/", "model/")
    hand_over(tmp_path / "lake")

    run("image_reindex", lake)
    (result,) = (it for it in lake.objects("runs") if it.path.endswith("results/plan.json"))
    assert len(lake.read_json(result.path)["shards"]) == 2
    assert_same_release(process_lake, lake)

    (hit, *others) = run("image_search", lake, query="cat+0.jpg", top_n=6)["Output"]
    assert (hit["name"], len(others)) == ("cat+0.jpg", 5)

    # Nothing changed since: the second run ends after its first task.
    run("image_reindex", lake)
    assert Releases(lake).numbers() == [1]
