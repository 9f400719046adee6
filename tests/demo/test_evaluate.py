"""Measuring ways on labelled catalogues: what is reported apart, and runs of their own."""

import itertools
import subprocess
from pathlib import Path

import pytest

from demo import evaluate


def test_the_held_out_figure_is_over_the_queries_of_every_second_label() -> None:
    by_label = {
        "d": {"queries": 1.0, "precision_at_1": 0.0},
        "a": {"queries": 50.0, "precision_at_1": 0.1},
        "b": {"queries": 3.0, "precision_at_1": 1.0},
        "c": {"queries": 70.0, "precision_at_1": 0.2},
    }
    assert evaluate.held_out(by_label, "precision_at_1") == pytest.approx(3 / 4)


def test_no_two_measurements_share_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    way = next(iter(evaluate.WAYS))
    runs = []

    def task(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        if command[3] == "plan":
            runs.append(command[command.index("--run") + 1])
        if command[3] == "evaluate":
            folder = Path(command[command.index("--output") + 1])
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "evaluation.json").write_text("{}", encoding="utf-8")
        return subprocess.CompletedProcess(command, 0, '{"anything_to_do": false}', "")

    monkeypatch.setattr(subprocess, "run", task)
    monkeypatch.setattr("os.getpid", itertools.repeat(7).__next__)
    for _ in range(2):
        evaluate.measure("file:///nowhere", "folders", tmp_path, way)
    assert len(runs) == len(set(runs)) == 2
