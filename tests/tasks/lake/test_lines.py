import pydantic
import pytest

from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines, write_lines
from tasks.lake.store import Store

IMAGES = [
    Image(name="a\nb/ü.jpg", bytes=1, fingerprint="x", row=0),
    Image(name="c", bytes=2, fingerprint="y", rejected="not an image"),
]


def test_lines_come_back_in_order(store: Store) -> None:
    write_lines(store, "a.jsonl", IMAGES)
    assert list(read_lines(store, "a.jsonl", Image)) == IMAGES


def test_an_empty_list_is_an_empty_object(store: Store) -> None:
    write_lines(store, "a.jsonl", [])
    assert not list(read_lines(store, "a.jsonl", Image))
    assert store.read("a.jsonl") == b""


def test_each_document_is_one_line_of_json(store: Store) -> None:
    write_lines(store, "a.jsonl", IMAGES)
    assert len(store.read("a.jsonl").splitlines()) == 2


def test_a_damaged_line_is_an_error(store: Store) -> None:
    store.write("a.jsonl", b'{"name": "a"')
    with pytest.raises(pydantic.ValidationError):
        list(read_lines(store, "a.jsonl", Image))
