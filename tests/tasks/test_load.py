import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pymilvus import MilvusClient

from tasks.errors import UserError
from tasks.index.milvus_collection import MilvusCollection
from tasks.index.milvus_database import MilvusDatabase
from tasks.index.ranking import PLAIN
from tasks.index.rows import Vectors as Rows
from tasks.lake.releases import Releases
from tasks.lake.store import Store, TransferError
from tasks.load import load
from tasks.settings import VectorDatabaseSettings
from tasks.vector_database import compare, load_release, opened_database
from tests.tasks.made_catalogues import Vectors, made_lake, made_vectors, publish_made

NAMES = [f'folder/it\'s "{number:03d}" \\ ü.jpg' for number in range(120)]


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return made_lake(tmp_path / "lake")


@pytest.fixture
def settings(tmp_path: Path) -> VectorDatabaseSettings:
    return VectorDatabaseSettings(uri=str(tmp_path / "milvus" / "vectors.db"))


@pytest.fixture
def database(settings: VectorDatabaseSettings) -> Iterator[MilvusDatabase]:
    with opened_database(settings) as opened:
        yield opened


def changed(vectors: Vectors) -> Vectors:
    """One image changed, one gone, one new."""
    others = made_vectors([NAMES[1], "new.jpg"], seed=1)
    return {name: it for name, it in vectors.items() if name != NAMES[0]} | others


def test_a_release_is_loaded_as_a_whole_and_becomes_current(
    lake: Store, settings: VectorDatabaseSettings
) -> None:
    publish_made(lake, 1, made_vectors(NAMES))
    summary = load(lake, settings)
    assert (summary["release"], summary["upserted"], summary["held"]) == (1, 120, [1])
    with opened_database(settings) as database:
        assert database.current() == 1
        assert len(database.open(1)) == 120


def test_loading_again_finds_it_done(lake: Store, settings: VectorDatabaseSettings) -> None:
    publish_made(lake, 1, made_vectors(NAMES))
    assert not load(lake, settings)["already_complete"]
    again = load(lake, settings)
    assert (again["already_complete"], again["upserted"]) == (True, 0)


def test_only_the_difference_is_sent_once_both_collections_are_filled(
    lake: Store, settings: VectorDatabaseSettings
) -> None:
    first = made_vectors(NAMES)
    publish_made(lake, 1, first)
    load(lake, settings)
    publish_made(lake, 2, first)
    assert load(lake, settings)["upserted"] == 120  # the second collection
    publish_made(lake, 3, changed(first))
    summary = load(lake, settings)
    assert (summary["upserted"], summary["deleted"], summary["held"]) == (2, 1, [2, 3])


def test_a_mean_that_has_moved_far_fills_the_collection_anew(
    lake: Store, settings: VectorDatabaseSettings
) -> None:
    vectors = made_vectors(NAMES)
    for version in (1, 2):
        publish_made(lake, version, vectors)
        load(lake, settings)
    publish_made(lake, 3, {name: vector - 1 for name, vector in vectors.items()})
    assert load(lake, settings)["upserted"] == 120
    publish_made(lake, 4, vectors, PLAIN)
    assert load(lake, settings)["upserted"] == 120


class KilledError(Exception):
    """Stands for the end of the process."""


def test_a_killed_load_goes_on_where_it_was(
    lake: Store, database: MilvusDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = publish_made(lake, 1, made_vectors(NAMES))
    upsert = MilvusCollection.upsert

    def some(self: MilvusCollection, names: list[str], sums: list[str], rows: Rows) -> None:
        upsert(self, names[:50], sums[:50], rows[:50])
        raise KilledError

    with monkeypatch.context() as patch, pytest.raises(KilledError):
        patch.setattr(MilvusCollection, "upsert", some)
        load_release(lake, database, release)
    assert database.held() == {}
    assert load_release(lake, database, release).upserted == 70
    assert not compare(lake, database, release)


def test_what_a_load_left_behind_that_was_killed_serves_the_next_release(
    lake: Store, database: MilvusDatabase
) -> None:
    vectors = made_vectors(NAMES)
    first = publish_made(lake, 1, vectors)
    database.take(1, 32, None)
    load_release(lake, database, first)
    database.make_current(1)
    database.take(2, 32, None)
    load_release(lake, database, publish_made(lake, 3, vectors))
    assert sorted(database.held()) == [1, 3]
    assert database.current() == 1


def test_who_writes_for_a_release_that_another_load_has_passed_by_harms_nothing(
    lake: Store, database: MilvusDatabase
) -> None:
    vectors = made_vectors(NAMES)
    first, second = (publish_made(lake, version, vectors) for version in (1, 2))
    late = database.take(1, 32, None)
    load_release(lake, database, second)
    with pytest.raises(TransferError, match="does not exist"):
        late.upsert(["other.jpg"], ["0"], np.ones((1, 32), np.float32))
    assert not compare(lake, database, second)
    assert load_release(lake, database, first).upserted == 120
    assert sorted(database.held()) == [1, 2]


def test_a_release_that_is_held_back_is_not_loaded(
    lake: Store, settings: VectorDatabaseSettings
) -> None:
    vectors = made_vectors(NAMES)
    publish_made(lake, 1, vectors)
    publish_made(lake, 2, changed(vectors))
    Releases(lake).hold(2, "it answers worse")
    assert load(lake, settings)["release"] == 1


def test_going_back_to_the_release_before_sends_nothing(
    lake: Store, settings: VectorDatabaseSettings
) -> None:
    vectors = made_vectors(NAMES)
    for version in (1, 2):
        publish_made(lake, version, vectors)
        load(lake, settings)
    Releases(lake).pin(1)
    summary = load(lake, settings)
    assert (summary["release"], summary["upserted"]) == (1, 0)
    with opened_database(settings) as database:
        assert database.current() == 1


def test_vectors_that_are_not_those_of_the_release_are_told(
    lake: Store, database: MilvusDatabase
) -> None:
    release = publish_made(lake, 1, made_vectors(NAMES))
    load_release(lake, database, release)
    collection = database.open(1)
    collection.upsert([NAMES[5]], ["0"], np.ones((1, 32), np.float32))
    assert compare(lake, database, release) == [f"{NAMES[5]} has another vector"]
    collection.upsert(["more.jpg"], ["0"], np.ones((1, 32), np.float32))
    assert compare(lake, database, release)[0] == "it holds 121 images, the release 120"


def test_an_alias_that_somebody_has_pointed_elsewhere_points_to_the_release_again(
    lake: Store, settings: VectorDatabaseSettings
) -> None:
    publish_made(lake, 1, made_vectors(NAMES))
    load(lake, settings)
    elsewhere = MilvusClient(settings.uri)
    elsewhere.create_collection("other", dimension=4)
    elsewhere.alter_alias("other", settings.prefix)
    elsewhere.close()
    assert load(lake, settings)["upserted"] == 0
    with opened_database(settings) as database:
        assert database.current() == 1


def test_a_collection_that_load_has_not_made_is_left_alone(
    lake: Store, settings: VectorDatabaseSettings, database: MilvusDatabase
) -> None:
    release = publish_made(lake, 1, made_vectors(NAMES))
    MilvusClient(settings.uri).create_collection(f"{settings.prefix}_r1_loading", dimension=4)
    with pytest.raises(UserError, match="was not made by `load`; give another `prefix`"):
        load_release(lake, database, release)


def test_a_file_that_another_process_has_open_is_told(
    lake: Store, settings: VectorDatabaseSettings, database: MilvusDatabase
) -> None:
    publish_made(lake, 1, made_vectors(NAMES))
    again = [sys.executable, "-m", "tasks", "load", "--lake", str(lake.uri(""))]
    environment = {**os.environ, "IMAGE_SEARCH_VECTOR_DATABASE__URI": settings.uri}
    ended = subprocess.run(again, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].endswith("or another process has it open; try again later")


def test_a_load_without_a_database_says_what_to_set(lake: Store) -> None:
    with pytest.raises(UserError, match=r"give `uri` under \[vector_database\]"):
        load(lake, VectorDatabaseSettings())


def test_a_load_before_any_release_says_what_to_do(
    lake: Store, settings: VectorDatabaseSettings
) -> None:
    with pytest.raises(UserError, match="run image_reindex first"):
        load(lake, settings)


def test_a_server_that_does_not_answer_is_told_in_one_line(lake: Store) -> None:
    publish_made(lake, 1, made_vectors(NAMES))
    with pytest.raises(TransferError, match=r"Milvus at http://127\.0\.0\.1:9: "):
        load(lake, VectorDatabaseSettings(uri="http://127.0.0.1:9"))
