import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tasks.imaging.draw import draw_results, encode_png
from tests.tasks.imaging.samples import photo


def bgr(name: str, width: int = 60, height: int = 40) -> npt.NDArray[np.uint8]:
    return np.asarray(photo(name, width, height))[..., ::-1].copy()


QUERY = bgr("chelsea")
FOUND = bgr("coffee")


def contains(canvas: npt.NDArray[np.uint8], colour: tuple[int, int, int]) -> npt.NDArray[np.bool_]:
    """Returns where a colour is, (height, width)."""
    return np.asarray(np.all(canvas == colour, axis=-1), np.bool_)


def plain(colour: tuple[int, int, int], height: int = 30, width: int = 30) -> npt.NDArray[np.uint8]:
    return np.full((height, width, 3), colour, np.uint8)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 10, 11, 50])
def test_any_number_of_results_makes_a_picture_wider_than_high(count: int) -> None:
    canvas = draw_results(QUERY, [(FOUND, f"coffee_{n}.jpg", 1 - n / 50) for n in range(count)])

    height, width, channels = canvas.shape
    assert canvas.dtype == np.uint8
    assert channels == 3
    assert 1 < width / height < 3


def test_the_query_is_left_of_the_results_and_larger() -> None:
    canvas = draw_results(plain((0, 0, 255)), [(plain((0, 255, 0)), "found", 0.5)])

    query, found = contains(canvas, (0, 0, 255)), contains(canvas, (0, 255, 0))
    assert np.nonzero(query)[1].max() < np.nonzero(found)[1].min()
    assert query.sum() > 4 * found.sum()


def test_results_follow_in_reading_order() -> None:
    colours = [(0, 0, 40 * rank) for rank in range(1, 7)]

    canvas = draw_results(QUERY, [(plain(colour), "name", 0.5) for colour in colours])

    corners = [tuple(np.argwhere(contains(canvas, colour))[0].tolist()) for colour in colours]
    assert corners == sorted(corners)
    assert len({row for row, _ in corners}) == 2


@pytest.mark.parametrize(("height", "width"), [(30, 90), (90, 30), (1, 3), (300, 900)])
def test_the_aspect_ratio_is_kept(height: int, width: int) -> None:
    canvas = draw_results(QUERY, [(plain((0, 255, 0), height, width), "found", 0.5)])

    rows, columns = np.nonzero(contains(canvas, (0, 255, 0)))
    drawn = (np.ptp(columns) + 1) / (np.ptp(rows) + 1)
    assert drawn == pytest.approx(width / height, rel=0.02)


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1)])
def test_extreme_shapes_are_drawn(shape: tuple[int, int]) -> None:
    image = plain((0, 255, 0), *shape)

    assert contains(draw_results(image, [(image, "found", 1.0)]), (0, 255, 0)).any()


def test_a_picture_that_is_gone_leaves_a_tile_that_says_so() -> None:
    gone = draw_results(QUERY, [(None, "name", 0.5)])
    there = draw_results(QUERY, [(plain((247, 245, 244)), "name", 0.5)])

    assert gone.shape == there.shape
    assert not np.array_equal(gone, there)


def test_a_query_that_is_gone_leaves_a_tile_too() -> None:
    assert (
        draw_results(None, [(FOUND, "name", 0.5)]).shape
        == draw_results(QUERY, [(FOUND, "name", 0.5)]).shape
    )


@pytest.mark.parametrize("other", [("cut.jpg", 0.5), ("cup.jpg", 0.5001)])
def test_name_and_score_to_four_decimals_are_shown(other: tuple[str, float]) -> None:
    canvas = draw_results(QUERY, [(FOUND, "cup.jpg", 0.5)])

    assert not np.array_equal(canvas, draw_results(QUERY, [(FOUND, *other)]))
    assert np.array_equal(canvas, draw_results(QUERY, [(FOUND, "cup.jpg", 0.50000001)]))


def test_a_long_name_is_shortened_in_the_middle() -> None:
    def drawn(name: str) -> npt.NDArray[np.uint8]:
        return draw_results(QUERY, [(FOUND, name, 0.5)])

    name = "cats/" + "very " * 40 + "old.jpg"

    assert np.array_equal(drawn(name), drawn(name.replace("very very", "very", 1)))
    assert not np.array_equal(drawn(name), drawn(name.replace("cats", "dogs")))
    assert not np.array_equal(drawn(name), drawn(name.replace("old", "new")))


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(), max_size=80))
def test_any_name_is_drawn_within_its_tile(name: str) -> None:
    empty = draw_results(QUERY, [(FOUND, "", 0.5), (FOUND, "next", 0.5)], query_name="")

    canvas = draw_results(QUERY, [(FOUND, name, 0.5), (FOUND, "next", 0.5)], query_name=name)

    assert canvas.shape == empty.shape
    changed = np.nonzero((canvas != empty).any(axis=(0, 2)))[0]
    second_tile = np.nonzero((draw_results(QUERY, [(FOUND, "", 0.5)]) != empty).any(axis=(0, 2)))[0]
    assert not changed.size or changed.max() < second_tile.min()


@pytest.mark.parametrize(
    "name",
    [
        "猫の写真.jpg",
        "кот.png",
        "γάτα.png",
        "חתול.png",
        "قطة.png",
        "🐈.png",
        "\udcff.png",
        "a\0b\n\t.png",
    ],
    ids=ascii,
)
def test_names_in_any_script_are_drawn(name: str) -> None:
    canvas = draw_results(QUERY, [(FOUND, name, 0.5)])

    assert not np.array_equal(canvas, draw_results(QUERY, [(FOUND, "", 0.5)]))


@pytest.mark.parametrize("score", [-1.0, -0.01, 0.0, 1.0, 1.0000001])
def test_the_bar_stays_within_its_tile_for_any_cosine(score: float) -> None:
    canvas = draw_results(QUERY, [(FOUND, "name", score)])
    longest_blue_line = contains(canvas, (214, 92, 36)).sum(axis=1).max()

    assert longest_blue_line <= 200


def test_the_png_holds_the_picture_exactly() -> None:
    canvas = draw_results(QUERY, [(FOUND, "coffee.jpg", 0.75)])

    data = encode_png(canvas)

    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), canvas[..., ::-1])
