import json
import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
NO_WORK = REPOSITORY / "benchmarks" / "scale" / "no_work.sh"


def printed(task: str, plan: Path) -> dict[str, object]:
    done = subprocess.run(
        [NO_WORK, "-m", "tasks", task, "--lake", "file:///nowhere"],
        env={**os.environ, "NO_WORK_PLAN": str(plan)},
        check=True,
        stdout=subprocess.PIPE,
    )
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_task_that_does_no_work_prints_what_airflow_expects(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text('{"anything_to_do": true, "shards": []}\n', encoding="utf-8")
    assert printed("plan", plan) == {"anything_to_do": True, "shards": []}
    assert printed("publish", plan)["version"] == 1
