"""`search --explain`: which regions of two pictures made them similar."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.explanation import shrunk
from tasks.imaging.occlusion import GRID
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake.store import Store
from tasks.search import search
from tests.tasks.pipeline import reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()


def explained(lake: Store, query: str, n: int = 3) -> list[dict[str, object]]:
    summary = search(lake, "s", query, n, SETTINGS, explained=True)
    assert summary["explanation_json"] == lake.uri("runs/s/explanation.json")
    return list(json.loads(lake.read("runs/s/explanation.json"))["results"])


def quarter_of_the_peak(regions: object) -> tuple[bool, bool]:
    """Tells whether the most important quarter is a lower one, and a right one."""
    worth = np.maximum(np.array(regions), 0)
    assert worth.shape == (GRID, GRID)
    quarters = worth.reshape(2, GRID // 2, 2, GRID // 2).sum(axis=(1, 3))
    lower, right = divmod(int(quarters.argmax()), 2)
    return bool(lower), bool(right)


@pytest.mark.parametrize(("left", "top"), [(1, 0), (0, 1)])
def test_the_quarter_that_shows_the_hit_is_what_made_the_query_similar(
    indexed: Store, master: Path, left: int, top: int
) -> None:
    photo = Image.open(master / "cats" / "chelsea_0.jpg")
    canvas = Image.new("RGB", (2 * photo.width, 2 * photo.height), (200, 200, 200))
    canvas.paste(photo, (left * photo.width, top * photo.height))
    canvas.save(master / "canvas.png")
    hit = next(
        hit
        for hit in explained(indexed, str(master / "canvas.png"), 6)
        if hit["name"] == "cats/chelsea_0.jpg"
    )
    assert quarter_of_the_peak(hit["query_regions"]) == (bool(top), bool(left))


def test_the_quarter_of_the_hit_that_shows_the_query_is_what_made_it_similar(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "query.jpg", "coffee", view=0)
    photo = Image.open(master / "query.jpg")
    canvas = Image.new("RGB", (2 * photo.width, 2 * photo.height), (200, 200, 200))
    canvas.paste(photo, (photo.width, photo.height))
    canvas.save(master / "canvas.png")
    reindex(indexed, "second")
    hits = explained(indexed, str(master / "query.jpg"), 10)
    (hit,) = (hit for hit in hits if hit["name"] == "canvas.png")
    assert quarter_of_the_peak(hit["hit_regions"]) == (True, True)


def test_the_cosine_is_the_score_where_the_hit_is_as_it_was_indexed(indexed: Store) -> None:
    for hit in explained(indexed, "coffee_0.jpg")[1:]:
        assert hit["cosine"] == pytest.approx(hit["score"], abs=0.01)


def test_an_image_that_finds_itself_needs_no_explanation(indexed: Store) -> None:
    own, other, *_ = explained(indexed, "coffee_0.jpg")
    assert (own["query_regions"], own["missing"]) == (None, "it is the query itself")
    assert other["missing"] == ""


def test_a_hit_that_is_gone_says_so_and_the_others_are_explained(
    indexed: Store, master: Path
) -> None:
    (master / "coffee_1.jpg").unlink()
    hits = {hit["name"]: hit for hit in explained(indexed, "coffee_0.jpg")}
    assert "gone" in str(hits["coffee_1.jpg"]["missing"])
    assert sum(hit["hit_regions"] is not None for hit in hits.values()) == 1


def test_a_query_that_is_gone_is_answered_and_not_explained(indexed: Store, master: Path) -> None:
    (master / "coffee_0.jpg").unlink()
    assert all(
        "query image is gone" in str(hit["missing"]) for hit in explained(indexed, "coffee_0.jpg")
    )


def test_the_picture_shows_the_regions(indexed: Store) -> None:
    search(indexed, "plain", "coffee_0.jpg", 2, SETTINGS)
    search(indexed, "s", "coffee_0.jpg", 2, SETTINGS, explained=True)
    plain, shown = (
        np.asarray(Image.open(io.BytesIO(indexed.read(f"runs/{run}/result.png"))))
        for run in ("plain", "s")
    )
    assert plain.shape == shown.shape
    assert (plain != shown).any()


def test_nothing_is_explained_unless_asked(indexed: Store) -> None:
    assert "explanation_json" not in search(indexed, "s", "coffee_0.jpg", 2, SETTINGS)
    assert not indexed.exists("runs/s/explanation.json")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((4000, 3000), (448, 336)), ((3, 9000), (1, 448)), ((448, 300), (448, 300)), ((5, 7), (5, 7))],
)
def test_a_large_picture_is_shrunk_before_copies_are_made_of_it(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    image = np.zeros((*shape, 3), np.uint8)
    assert shrunk(image, Preprocessing()).shape == (*expected, 3)
