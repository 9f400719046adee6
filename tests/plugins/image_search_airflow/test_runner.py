"""The factory that DAGs get their tasks from."""

from pathlib import Path

import pytest

from image_search_airflow.operators.process import ProcessOperator
from image_search_airflow.runner import run_task


def test_a_task_runs_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_LAKE", "s3://bucket/lake")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__RUNNER", "process")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__PYTHON", "/opt/tasks/bin/python")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__CONNECTION", "lake")
    task = run_task("etl", {"shard": "a1"}, map_label="a1", retries=7)
    assert isinstance(task, ProcessOperator)
    assert (task.task_id, task.task_name, task.lake) == ("etl", "etl", "s3://bucket/lake")
    assert (task.python, task.arguments) == (Path("/opt/tasks/bin/python"), {"shard": "a1"})
    assert (task.map_label, task.retries, task.connection) == ("a1", 7, "lake")


def test_what_depends_on_the_run_can_be_a_template() -> None:
    assert {"lake", "arguments", "map_label"} <= set(run_task("etl").template_fields)
