import json
from dataclasses import asdict

import pytest
from typer.testing import CliRunner

from benchmarks.scale.growth import read_points, series_of
from benchmarks.scale.model import AIRFLOW, Cost, Night, app, costs, layout, total

POINTS = read_points()
RUNS = json.loads(AIRFLOW.read_text(encoding="utf-8"))
LARGE = 10_000


def stages(night: Night) -> dict[str, Cost]:
    return {cost.stage: cost for cost in costs(night, POINTS, RUNS)}


@pytest.mark.parametrize("task", ["plan", "publish", "evaluate"])
@pytest.mark.parametrize("quantity", ["cpu_seconds", "memory_bytes", "bytes_read"])
def test_the_model_tells_what_was_measured_within_a_factor_of_two(task: str, quantity: str) -> None:
    for point in series_of(POINTS)[task, "changed"]:
        if point["images"] >= LARGE:
            cost = stages(Night(images=point["images"]))[task]
            told = asdict(cost) | {"cpu_seconds": 3600 * cost.hours}
            assert 0.5 < told[quantity] / point[quantity] < 2


def test_planning_asks_no_more_than_the_model_tells() -> None:
    for point in series_of(POINTS)["plan", "changed"]:
        if point["images"] >= LARGE:
            assert point["requests"] < 1.1 * stages(Night(images=point["images"]))["plan"].requests


@pytest.mark.parametrize("task", ["publish", "evaluate"])
def test_the_model_tells_requests_within_a_factor_of_three(task: str) -> None:
    for point in series_of(POINTS)[task, "changed"]:
        if point["images"] >= LARGE:
            told = stages(Night(images=point["images"]))[task].requests
            assert 1 / 3 < told / point["requests"] < 3


def test_each_run_of_airflow_is_told_from_its_shards() -> None:
    for run in RUNS:
        if run["state"] == "success":
            night = Night(images=500 * run["shards"], change=1, slots=2)
            told = stages(night)["airflow"].hours * 3600
            assert 1 / 3 < told / run["seconds"] < 3


def test_a_night_without_changes_embeds_nothing() -> None:
    found = stages(Night(images=1e6, change=0))
    assert found["vectorize"].hours == found["etl"].requests == 0


def test_more_slots_and_gpus_shorten_the_night() -> None:
    one = total(costs(Night(images=1e8), POINTS, RUNS)).hours
    many = total(costs(Night(images=1e8, slots=16), POINTS, RUNS)).hours
    gpus = total(costs(Night(images=1e8, slots=16, device="gpu"), POINTS, RUNS)).hours
    assert one > many > gpus


@pytest.mark.parametrize(
    ("images", "expected"),
    [(1e6, "RaBitQ scan"), (3e7, "IVF + RaBitQ"), (1e9, "Milvus")],
)
def test_the_layout_follows_the_size(images: float, expected: str) -> None:
    night = Night(images=images)
    assert layout(night, stages(night)["publish"].hours).startswith(expected)


def test_the_command_line_prints_a_night() -> None:
    result = CliRunner().invoke(app, ["--images", "1e9", "--slots", "64", "--gpu"])
    assert result.exit_code == 0
    assert "1,000,000,000 images, 1.0% new, 64 slots, gpu" in result.stdout
    assert "| the night |" in result.stdout
    assert "layout: Milvus" in result.stdout
