import time

import pytest

from benchmarks.figures import Spread, in_turns, spread_of


def test_a_spread_is_the_median_between_lowest_and_highest() -> None:
    assert spread_of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_ways_are_done_once_untimed_and_then_in_turns() -> None:
    done: list[str] = []
    taken = in_turns({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, repeats=2)
    assert done == ["a", "b", "a", "b", "a", "b"]
    assert set(taken) == {"a", "b"}


def test_each_way_waits_for_the_one_before_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[object] = []
    monkeypatch.setattr(time, "sleep", done.append)
    in_turns({"a": lambda: done.append("a"), "b": lambda: done.append("b")}, repeats=1, settle=0.2)
    assert done == ["a", "b", 0.2, "a", 0.2, "b"]
