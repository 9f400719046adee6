import sys

import pytest

from benchmarks.processes import cost_of


def test_the_memory_is_that_of_the_process_and_not_of_whoever_measures() -> None:
    held = bytearray(300 * 2**20)
    small, large = (
        cost_of([sys.executable, "-c", f"bytearray({megabytes} * 2**20)"]).megabytes
        for megabytes in (1, 100)
    )
    assert small < 50 < 100 < large < 150
    assert held


def test_a_process_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(RuntimeError, match="no such luck"):
        cost_of([sys.executable, "-c", "raise SystemExit('no such luck')"])
