"""Evaluations killed at any moment, and two of them at once."""

import json
from functools import partial
from pathlib import Path

import pytest

from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.release_evaluation import read_evaluation
from tests.faults.child_tasks import Tasks
from tests.faults.conftest import local_lake
from tests.faults.test_at_once import at_once
from tests.faults.test_kills import put_photo

KILLED_AT = (0.2, 0.6, 0.8, 0.95)  # of the steps in the lake


@pytest.fixture(name="judged")
def lake_with_a_release(model_once: Path, tmp_path: Path) -> Store:
    """A lake with release 1: two views of each of two photographs, a folder each."""
    lake = local_lake(tmp_path / "lake", model_once)
    for view in range(2):
        put_photo(lake, f"cats/{view}.jpg", "chelsea", view, tmp_path)
        put_photo(lake, f"cups/{view}.jpg", "coffee", view, tmp_path)
    Tasks(lake).reindex("first")
    return lake


def test_a_release_whose_judge_was_killed_waits_for_the_next(judged: Store, tmp_path: Path) -> None:
    tasks, releases = Tasks(judged, GATE__LABELS="folders"), Releases(judged)
    put_photo(judged, "cups/2.jpg", "coffee", 2, tmp_path)
    version = tasks.reindex("second")["version"]
    gate = ("evaluate", "--gate", "--run", "second")
    releases.hold(version, "not judged yet")
    tasks.run_slowly(*gate)
    judged.delete(layout.release(version, layout.EVALUATION))
    for share in KILLED_AT:
        releases.hold(version, "not judged yet")
        assert tasks.kill_at_step(share, *gate)
        if releases.held(version):
            current = releases.current()
            assert current
            assert current.version == 1
        written = judged.exists(layout.release(version, layout.EVALUATION))
        assert written == (read_evaluation(judged, version) is not None)
    tasks.run(*gate)
    assert releases.held(version) is None
    assert read_evaluation(judged, version)


def test_two_evaluations_at_once_leave_one_whole_report(judged: Store, tmp_path: Path) -> None:
    report = tmp_path / "report"
    evaluate = ("evaluate", "--labels", "folders", "--output", str(report))
    one, other = at_once(*[partial(Tasks(judged).run, *evaluate)] * 2)
    assert one["precision_at_1"] == other["precision_at_1"] == 1
    assert json.loads((report / "evaluation.json").read_text())["queries"] == 4
    assert {file.name for file in report.iterdir()} == {
        "evaluation.json",
        "mismatches.png",
        "report.html",
    }
