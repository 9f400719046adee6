import contextlib
import gc
import importlib
import io
import sys
import weakref
from collections.abc import Iterator

import pytest

from tasks.imports import importing, look_for_garbage


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


def _node_after_an_import() -> "weakref.ref[Node]":
    sys.modules.pop("this", None)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a poem
        importlib.import_module("this")
    return weakref.ref(Node())


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
        kept = _node_after_an_import()
    later = weakref.ref(Node())
    gc.collect()
    assert kept() is not None
    assert later() is None


def test_who_imports_nothing_keeps_nothing() -> None:
    gc.enable()
    with importing():
        garbage = weakref.ref(Node())
    gc.collect()
    assert garbage() is None


def test_a_process_that_began_without_looks_from_here_on() -> None:
    gc.disable()
    kept = weakref.ref(Node())
    look_for_garbage()
    assert gc.isenabled()
    gc.collect()
    assert kept() is not None


def test_who_looks_already_keeps_nothing() -> None:
    gc.enable()
    garbage = weakref.ref(Node())
    look_for_garbage()
    gc.collect()
    assert garbage() is None
