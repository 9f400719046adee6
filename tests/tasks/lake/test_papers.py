import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.lake.open_store import open_store
from tasks.lake.papers import encode_paper, read_paper, write_paper
from tasks.lake.store import Store

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
CONTENTS = st.dictionaries(st.text(max_size=5).filter(lambda name: name != "sha256"), VALUES)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return open_store(tmp_path_factory.mktemp("papers").as_uri())


@given(content=CONTENTS)
def test_a_paper_comes_back_as_it_was_stored(store: Store, content: dict[str, object]) -> None:
    write_paper(store, "paper.json", content)
    assert read_paper(store, "paper.json") == content


def test_no_bit_of_a_paper_can_flip_unnoticed(store: Store) -> None:
    content = {"name": "Äpfel.jpg", "sizes": [1, 20.5, None], "inner": {"passing": False}}
    data = encode_paper(content)
    for position in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        store.write("paper.json", bytes(damaged))
        with suppress(ValueError):
            assert read_paper(store, "paper.json") == content, bytes(damaged)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{}", b'{"sha256": 1}', b"\xff"])
def test_what_is_no_paper_is_no_content(store: Store, data: bytes) -> None:
    store.write("paper.json", data)
    with pytest.raises(ValueError):  # of whatever kind
        read_paper(store, "paper.json")


def test_a_missing_paper_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_paper(open_store(tmp_path.as_uri()), "paper.json")


def test_people_can_read_a_paper(store: Store) -> None:
    write_paper(store, "paper.json", {"images": 3})
    assert json.loads(store.read("paper.json"))["images"] == 3
