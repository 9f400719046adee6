import gc
import weakref
from collections.abc import Iterator

import pytest

from tasks.imports import importing


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    enabled = gc.isenabled()
    yield
    gc.unfreeze()
    (gc.enable if enabled else gc.disable)()


class Node:
    """Refers to itself: nothing but the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_no_garbage_is_looked_for_while_importing() -> None:
    gc.enable()
    with importing():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_it_is_looked_for_again_after_an_import_that_failed() -> None:
    gc.enable()
    with pytest.raises(ImportError), importing():
        raise ImportError
    assert gc.isenabled()


def test_who_looks_for_none_looks_for_none_afterwards() -> None:
    gc.disable()
    with importing():
        pass
    assert not gc.isenabled()


def test_what_is_there_by_the_end_stays_and_what_comes_later_goes() -> None:
    gc.enable()
    with importing():
        imported = weakref.ref(Node())
    later = weakref.ref(Node())
    gc.collect()
    assert imported() is not None
    assert later() is None
