import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.parallel import bounded_map


@given(items=st.lists(st.integers(), max_size=50), workers=st.integers(1, 5))
def test_results_come_in_the_order_of_the_items(items: list[int], workers: int) -> None:
    assert list(bounded_map(lambda item: item * 2, items, workers)) == [item * 2 for item in items]


def test_no_more_than_two_items_a_worker_are_taken_in_ahead() -> None:
    items = iter(range(1000))
    results = bounded_map(lambda item: item, items, 3)
    assert next(results) == 0
    assert next(items) <= 6


def test_items_are_worked_on_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=30)
    assert len(list(bounded_map(lambda _: together.wait(), range(4), 4))) == 4


def test_the_first_failure_ends_it() -> None:
    done = []

    def work(item: int) -> None:
        if item == 3:
            raise ValueError("three")
        done.append(item)

    with pytest.raises(ValueError, match="three"):
        list(bounded_map(work, range(1000), 2))
    assert len(done) < 20
