from pathlib import Path

import numpy as np
import pytest

from tasks.contract import Summary
from tasks.errors import UserError
from tasks.index.ranking import PLAIN, Ranking
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.load import load
from tasks.search import search
from tasks.searcher import Searcher
from tasks.settings import Settings
from tasks.vector_database import open_database
from tests.tasks.made_catalogues import Vectors, made_lake, made_vectors, publish_made
from tests.tasks.pipeline import reindex, save_photo, settings_for_tests

NAMES = [f"{number:04d}.jpg" for number in range(140)]
FILES = settings_for_tests()


@pytest.fixture
def milvus(tmp_path: Path) -> Settings:
    return settings_for_tests(vector_database={"uri": str(tmp_path / "vectors.db")})


@pytest.fixture
def made(tmp_path: Path) -> Store:
    return made_lake(tmp_path / "made")


def near_copies() -> Vectors:
    """Images of which one is like another, and two are the same."""
    vectors = made_vectors(NAMES)
    vectors[NAMES[8]] = vectors[NAMES[7]] * np.float32(1.001)
    vectors[NAMES[9]] = vectors[NAMES[7]] + np.float32(0.01)
    return vectors


def asked(lake: Store, query: str, n: int, settings: Settings) -> Summary:
    return search(lake, "s", query, n, settings, picture=False)


def assert_same_answers(found: Summary, expected: Summary) -> None:
    assert found.keys() == expected.keys()
    hits, wanted = found["results"], expected["results"]
    assert [hit["name"] for hit in hits] == [hit["name"] for hit in wanted]
    assert [hit["score"] for hit in hits] == pytest.approx(
        [hit["score"] for hit in wanted], abs=1e-4
    )
    assert [hit.keys() for hit in hits] == [hit.keys() for hit in wanted]


@pytest.mark.parametrize("ranking", [PLAIN, Ranking(candidates=0), Ranking()])
def test_answers_are_those_of_the_files(made: Store, milvus: Settings, ranking: Ranking) -> None:
    publish_made(made, 1, near_copies(), ranking)
    load(made, milvus.vector_database)
    searchers = Searcher(made, milvus), Searcher(made, FILES)
    for name in (NAMES[0], NAMES[7], NAMES[8], NAMES[139]):
        found, expected = (it.engine.most_similar_to_name(name, 10) for it in searchers)
        assert [name for _, name in found] == [name for _, name in expected]
        assert [it for it, _ in found] == pytest.approx([it for it, _ in expected], abs=1e-6)


def test_answers_are_those_of_the_files_although_the_mean_has_moved(
    made: Store, milvus: Settings
) -> None:
    vectors = near_copies()
    for version in (1, 2):
        publish_made(made, version, vectors)
        load(made, milvus.vector_database)
    publish_made(made, 3, {name: it for name, it in vectors.items() if name > "0010"})
    assert load(made, milvus.vector_database)["upserted"] == 0
    for name in (NAMES[11], NAMES[80]):
        found, expected = (asked(made, name, 10, it) for it in (milvus, FILES))
        assert found["release"] == 3
        assert_same_answers(found, expected)


def test_a_picture_is_embedded_by_the_model_of_the_release(
    indexed: Store, master: Path, milvus: Settings
) -> None:
    load(indexed, milvus.vector_database)
    save_photo(master / "query.jpg", "rocket", view=5)
    for query in (str(master / "query.jpg"), "coffee_0.jpg"):
        assert_same_answers(*(asked(indexed, query, 4, it) for it in (milvus, FILES)))


def test_search_goes_on_with_the_release_before_until_the_next_one_is_loaded(
    indexed: Store, master: Path, milvus: Settings
) -> None:
    load(indexed, milvus.vector_database)
    save_photo(master / "coffee_2.jpg", "coffee", 6)
    reindex(indexed, "second")
    assert asked(indexed, "coffee_0.jpg", 2, milvus)["release"] == 1
    load(indexed, milvus.vector_database)
    assert asked(indexed, "coffee_2.jpg", 2, milvus)["release"] == 2
    Releases(indexed).pin(1)
    assert asked(indexed, "coffee_0.jpg", 2, milvus)["release"] == 1


def test_a_pinned_release_that_no_collection_holds_is_an_error(
    made: Store, milvus: Settings
) -> None:
    for version in (1, 2, 3):
        publish_made(made, version, made_vectors(NAMES))
        load(made, milvus.vector_database)
    Releases(made).pin(1)
    with pytest.raises(UserError, match=r"release 1 is not in the vector database, .* 2 and 3;"):
        asked(made, NAMES[0], 2, milvus)
    assert load(made, milvus.vector_database)["upserted"] == 0  # the vectors are the same
    assert asked(made, NAMES[0], 2, milvus)["release"] == 1


def test_searching_before_anything_is_loaded_says_what_to_do(made: Store, milvus: Settings) -> None:
    publish_made(made, 1, made_vectors(NAMES))
    with pytest.raises(UserError, match="run `python -m tasks load`"):
        asked(made, NAMES[0], 2, milvus)


def test_a_name_that_is_not_there_is_an_error(made: Store, milvus: Settings) -> None:
    publish_made(made, 1, made_vectors(NAMES))
    load(made, milvus.vector_database)
    with pytest.raises(UserError, match=r"no image is named '1\.jpg'; check the spelling"):
        asked(made, "1.jpg", 2, milvus)


def test_more_hits_than_images_are_all_images(made: Store, milvus: Settings) -> None:
    publish_made(made, 1, made_vectors(NAMES))
    load(made, milvus.vector_database)
    assert len(asked(made, NAMES[0], 10_000, milvus)["results"]) == len(NAMES)


def test_a_collection_that_does_not_hold_the_whole_release_is_not_searched(
    made: Store, milvus: Settings
) -> None:
    publish_made(made, 1, made_vectors(NAMES))
    load(made, milvus.vector_database)
    database = open_database(milvus.vector_database)
    database.open(1).upsert(["more.jpg"], ["0"], np.ones((1, 32), np.float32))
    with pytest.raises(UserError, match="141 images there, 140 in the release"):
        asked(made, NAMES[0], 2, milvus)


@pytest.mark.parametrize("uri", ["vectors", "https://user:pass@milvus:19530", "ftp://milvus"])
def test_a_uri_that_is_no_server_or_holds_a_secret_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"give http://|needs none in its URI"):
        settings_for_tests(vector_database={"uri": uri})
