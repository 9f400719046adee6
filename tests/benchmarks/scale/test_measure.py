import json

import pytest

from benchmarks.scale.measure import Point, measure

IMAGES = 1_000
DIMENSIONS = 64


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> list[Point]:
    return list(measure(tmp_path_factory.mktemp("scale") / "lakes", IMAGES, DIMENSIONS))


def test_each_task_of_a_night_is_measured(points: list[Point]) -> None:
    assert {(point["task"], point["night"]) for point in points} == {
        *((task, "first") for task in ("plan", "etl", "feature_engineering", "publish")),
        *((task, "first") for task in ("evaluate", "verify", "search", "warm_search")),
        ("plan", "nothing"),
        *((task, "changed") for task in ("plan", "publish", "evaluate", "prune")),
    }
    assert json.loads(json.dumps(points)) == points


def test_publishing_writes_each_vector_once(points: list[Point]) -> None:
    for point in points:
        if point["task"] == "publish":
            vectors = point["images"] * DIMENSIONS * 4
            assert vectors < point["bytes_written"] < 2.5 * vectors


def test_a_night_without_changes_writes_next_to_nothing(points: list[Point]) -> None:
    (night,) = (point for point in points if point["night"] == "nothing")
    assert night["bytes_written"] < 10_000
    assert night["write"] < 5


def test_requests_are_those_of_each_kind_together(points: list[Point]) -> None:
    for point in points:
        kinds = ("list", "read", "write", "delete")
        assert point["requests"] == sum(point[kind] for kind in kinds) > 0
