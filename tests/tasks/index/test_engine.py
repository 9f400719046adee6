from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tasks.errors import UserError
from tasks.index.engine import ImageSearchEngine
from tasks.index.ranking import PLAIN, Ranking
from tasks.index.rows import ArrayRows, Vectors
from tasks.index.vector_index import build_index

MakeVectors = Callable[[int, int], Vectors]
Vectorize = Callable[[npt.NDArray[np.uint8]], Vectors]

# Directions in the plane, in degrees: the cosine of two is that of their difference.
ANGLES = {"a.jpg": 0, "b/c.jpg": 60, "b/d.jpg": 90, "e.jpg": 60, "ü.jpg": 45}


def mean_colour(image: npt.NDArray[np.uint8]) -> Vectors:
    """A vectorizer as simple as can be: (blue, green)."""
    return np.asarray(image.reshape(-1, 3)[:, :2].mean(axis=0), dtype=np.float32)


def make_engine(
    vectors: Vectors, names: list[str], vectorize: Vectorize | None = None
) -> ImageSearchEngine:
    index = build_index(lambda: [vectors], (len(vectors), vectors.shape[1]))
    return ImageSearchEngine(index, ArrayRows(vectors), ArrayRows(np.array(names)), vectorize)


@pytest.fixture(name="engine")
def engine_over_directions() -> ImageSearchEngine:
    radians = np.radians(list(ANGLES.values()))
    vectors = np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)
    vectors *= np.array([[1], [2], [3], [2], [5]], dtype=np.float32)
    return make_engine(vectors, list(ANGLES), mean_colour)


def test_the_most_similar_images_come_best_first_with_their_cosines(
    engine: ImageSearchEngine,
) -> None:
    green = np.zeros((4, 6, 3), dtype=np.uint8)
    green[..., 1] = 200
    hits = engine.most_similar(green, n=3)
    assert [name for _, name in hits] == ["b/d.jpg", "b/c.jpg", "e.jpg"]
    expected = [1, np.cos(np.radians(30)), np.cos(np.radians(30))]
    assert [score for score, _ in hits] == pytest.approx(expected)
    assert {(type(score), type(name)) for score, name in hits} == {(float, str)}


def test_the_query_image_reaches_the_vectorizer_as_it_is_in_bgr(engine: ImageSearchEngine) -> None:
    blue = np.full((2, 2, 3), (255, 0, 0), dtype=np.uint8)
    assert engine.most_similar(blue, n=1)[0][1] == "a.jpg"


def test_five_images_are_found_unless_asked_otherwise(make_vectors: MakeVectors) -> None:
    engine = make_engine(make_vectors(9, 4), list("abcdefghi"))
    assert len(engine.most_similar_to_vector(np.ones(4))) == 5
    assert len(engine.most_similar_to_name("a")) == 5


def test_asking_for_more_than_there_are_gives_every_image_once(make_vectors: MakeVectors) -> None:
    names = [f"{i:03}" for i in range(300)]
    engine = make_engine(make_vectors(300, 20), names)
    for hits in (engine.most_similar_to_name("007", 999), engine.most_similar_to_name("007", 300)):
        assert sorted(name for _, name in hits) == names
        assert [score for score, _ in hits] == sorted((score for score, _ in hits), reverse=True)


def test_an_image_of_the_catalogue_finds_itself_first_with_exactly_one(
    make_vectors: MakeVectors,
) -> None:
    names = [f"{i:03}" for i in range(300)]
    vectors = make_vectors(300, 256)
    engine = make_engine(vectors, names)
    for row, name in enumerate(names):
        assert engine.most_similar_to_name(name, 1) == [(1.0, name)]
        assert engine.most_similar_to_vector(vectors[row], 1) == [(1.0, name)]


def test_an_image_searched_by_name_comes_before_its_duplicates(engine: ImageSearchEngine) -> None:
    assert engine.most_similar_to_name("b/c.jpg", 2) == [(1.0, "b/c.jpg"), (1.0, "e.jpg")]
    assert engine.most_similar_to_name("e.jpg", 2) == [(1.0, "e.jpg"), (1.0, "b/c.jpg")]
    assert engine.most_similar_to_name("e.jpg", 1) == [(1.0, "e.jpg")]


def test_an_image_comes_first_even_among_more_duplicates_than_there_are_candidates() -> None:
    names = [f"{i:04}" for i in range(1500)]
    vectors = np.ones((1500, 16), dtype=np.float32)
    vectors[0, 0] = 9
    engine = make_engine(vectors, names)
    assert engine.most_similar_to_name("1234", 3)[0] == (1.0, "1234")


@pytest.mark.parametrize("ranking", [PLAIN, Ranking(centre=False)])
@pytest.mark.parametrize("remembered", [1, 1000])
def test_several_names_find_what_each_finds_alone(
    make_vectors: MakeVectors, monkeypatch: pytest.MonkeyPatch, ranking: Ranking, remembered: int
) -> None:
    monkeypatch.setattr("tasks.index.engine.ROWS_TOGETHER", remembered)
    names = [f"{row:04}" for row in range(1000)]
    vectors = make_vectors(1000, 64)
    vectors[500:800] = vectors[100]
    index = build_index(lambda: [vectors], vectors.shape)
    engine = ImageSearchEngine(
        index, ArrayRows(vectors), ArrayRows(np.array(names)), ranking=ranking
    )
    asked = names[::50]
    together = list(engine.most_similar_to_names(asked, 7))
    assert together == [engine.most_similar_to_name(name, 7) for name in asked]


def test_of_several_names_one_that_is_unknown_is_rejected(engine: ImageSearchEngine) -> None:
    assert not list(engine.most_similar_to_names([]))
    with pytest.raises(UserError, match="no image is named 'zzz'"):
        list(engine.most_similar_to_names(["a.jpg", "zzz"]))
    with pytest.raises(UserError, match="ask for 1 or more"):
        list(engine.most_similar_to_names(["a.jpg"], 0))


def test_an_image_whose_vector_is_zero_finds_itself_first_with_zero() -> None:
    vectors = np.array([[1, 0], [0, 0], [0, 1]], dtype=np.float32)
    hits = make_engine(vectors, ["a", "b", "c"]).most_similar_to_name("b", 5)
    assert hits == [(0.0, "b"), (0.0, "a"), (0.0, "c")]


@pytest.mark.parametrize("name", list(ANGLES))
def test_every_name_is_found(engine: ImageSearchEngine, name: str) -> None:
    assert name in engine
    assert engine.most_similar_to_name(name, 1) == [(1.0, name)]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("b/cc.jpg", r"no image is named 'b/cc\.jpg'; did you mean 'b/c\.jpg'"),
        ("", "check the spelling"),
        ("zzzzzzzz", "check the spelling"),
        ("a.jpg" * 50, "check the spelling"),
    ],
)
def test_an_unknown_name_is_rejected_with_names_like_it(
    engine: ImageSearchEngine, name: str, advice: str
) -> None:
    assert name not in engine
    with pytest.raises(UserError, match=advice):
        engine.most_similar_to_name(name)


@pytest.mark.parametrize("n", [0, -1])
def test_asking_for_no_images_is_rejected(engine: ImageSearchEngine, n: int) -> None:
    with pytest.raises(UserError, match="ask for 1 or more"):
        engine.most_similar(np.ones((1, 1, 3), dtype=np.uint8), n)
    with pytest.raises(UserError, match="ask for 1 or more"):
        engine.most_similar_to_vector(np.ones(2), n)
    with pytest.raises(UserError, match="ask for 1 or more"):
        engine.most_similar_to_name("a.jpg", n)


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        (np.ones(3), r"shape \(3,\), those of the catalogue have \(2,\)"),
        (np.ones((1, 2)), r"shape \(1, 2\)"),
        (np.array([1, np.nan]), "not finite"),
        (np.array([1, -np.inf]), "not finite"),
    ],
)
def test_a_vector_that_cannot_be_compared_is_rejected(
    engine: ImageSearchEngine, vector: npt.NDArray[np.float64], reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        engine.most_similar_to_vector(vector)


@pytest.mark.parametrize(
    "image",
    [
        np.ones((4, 4), np.uint8),
        np.ones((4, 4, 4), np.uint8),
        np.ones((4, 4, 3), np.float32),
        np.ones((0, 4, 3), np.uint8),
    ],
    ids=["grey", "with alpha", "floats", "empty"],
)
def test_what_is_not_a_bgr_image_is_rejected(
    engine: ImageSearchEngine, image: npt.NDArray[Any]
) -> None:
    with pytest.raises(UserError, match="pass an image"):
        engine.most_similar(image)


def test_an_engine_without_vectorizer_searches_by_name_alone() -> None:
    engine = make_engine(np.eye(3, dtype=np.float32), ["a", "b", "c"])
    assert engine.most_similar_to_name("b", 1) == [(1.0, "b")]
    with pytest.raises(UserError, match="search by name"):
        engine.most_similar(np.ones((1, 1, 3), dtype=np.uint8))


def test_a_release_that_does_not_fit_together_is_rejected() -> None:
    with pytest.raises(UserError, match="3 rows in the index, 3 vectors, 2 names; publish"):
        make_engine(np.eye(3, dtype=np.float32), ["a", "b"])
