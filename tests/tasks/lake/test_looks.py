from concurrent.futures import ThreadPoolExecutor

from tasks.lake import layout
from tasks.lake.looks import take_look
from tasks.lake.store import Store


def test_looks_are_numbered_in_the_order_in_which_they_begin(store: Store) -> None:
    assert [take_look(store, run) for run in ("a", "b", "a")] == [1, 2, 3]


def test_no_two_looks_have_the_same_number(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(lambda _: take_look(store, "r"), range(12)))
    assert len(set(numbers)) == 12


def test_numbers_go_on_from_the_highest_that_is_left(store: Store) -> None:
    take_look(store, "a")
    take_look(store, "b")
    store.delete(layout.look(1))
    assert take_look(store, "c") == 3
