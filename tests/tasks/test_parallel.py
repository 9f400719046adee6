import threading
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.parallel import begun, bounded_map


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


@given(
    sizes=st.lists(st.integers(0, 9), max_size=30),
    most=st.integers(0, 20),
    workers=st.integers(1, 4),
)
def test_no_more_than_was_asked_for_is_held_but_an_item_larger_than_that_alone(
    sizes: list[int], most: int, workers: int
) -> None:
    lock, held, most_held = threading.Lock(), [], []

    def take_in(size: int) -> int:
        with lock:
            held.append(size)
            most_held.append((sum(held), len([each for each in held if each])))
        return size

    taken = []
    for size in bounded_map(take_in, sizes, workers, size=lambda size: size, most=most):
        with lock:
            held.remove(size)
        taken.append(size)
    assert taken == sizes
    assert all(total <= most or count == 1 for total, count in most_held)


def test_who_takes_no_more_results_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    with closing(bounded_map(lambda item: item, range(1000), 4)) as results:
        assert next(results) == 0
        assert set(threading.enumerate()) > before
    assert set(threading.enumerate()) == before


def test_a_failure_of_one_stage_leaves_no_thread_of_the_other_behind() -> None:
    def fail(item: int) -> int:
        raise ValueError(item)

    before = set(threading.enumerate())
    first = bounded_map(lambda item: item, range(1000), 4)
    with closing(first), pytest.raises(ValueError, match="0"):
        list(bounded_map(fail, first, 2))
    assert set(threading.enumerate()) == before


def test_what_was_begun_has_its_result_or_its_error_for_who_waits() -> None:
    told = threading.Event()
    waits = begun(lambda: told.wait(60))
    told.set()
    assert waits.result()
    with pytest.raises(ZeroDivisionError):
        begun(lambda: 1 // 0).result()
