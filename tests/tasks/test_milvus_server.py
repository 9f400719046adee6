"""Loading and searching on a real Milvus server; what else is tested on Milvus Lite."""

import uuid
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from pymilvus import MilvusClient

from tasks.errors import UserError
from tasks.index.milvus_database import MilvusDatabase
from tasks.lake.releases import Releases
from tasks.lake.store import Store, TransferError
from tasks.load import load
from tasks.searcher import Searcher
from tasks.settings import Settings
from tasks.vector_database import load_release, opened_database
from tests.milvus_server import TOKEN, RunningMilvus, running_milvus
from tests.tasks.made_catalogues import made_lake, made_vectors, publish_made
from tests.tasks.pipeline import settings_for_tests

pytestmark = pytest.mark.skipif(
    find_spec("milvus") is None, reason="no package with a Milvus server for this machine"
)

NAMES = [f'folder/it\'s "{number:03d}" \\ ü 犬.jpg' for number in range(120)]
VECTORS = made_vectors(NAMES)


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMilvus]:
    yield from running_milvus(tmp_path_factory.mktemp("milvus"))


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILVUS_TOKEN", TOKEN)


@pytest.fixture
def settings(server: RunningMilvus) -> Settings:
    database = {"uri": server.uri, "prefix": f"test_{uuid.uuid4().hex}"}
    return settings_for_tests(vector_database=database)


@pytest.fixture
def database(settings: Settings) -> Iterator[MilvusDatabase]:
    with opened_database(settings.vector_database) as opened:
        yield opened


@pytest.fixture
def lake(tmp_path: Path) -> Store:
    return made_lake(tmp_path / "lake")


def test_three_releases_in_turn_answer_as_their_files_and_the_one_before_is_gone_back_to(
    lake: Store, settings: Settings
) -> None:
    changed = {name: it for name, it in VECTORS.items() if name != NAMES[0]}
    changed |= made_vectors([NAMES[1], "new.jpg"], seed=1)
    sent = []
    for version, vectors in enumerate((VECTORS, VECTORS, changed), start=1):
        publish_made(lake, version, vectors)
        summary = load(lake, settings.vector_database)
        sent.append((summary["upserted"], summary["deleted"]))
    assert sent == [(120, 0), (120, 0), (2, 1)]
    for version in (3, 2):
        Releases(lake).pin(version)
        engines = [Searcher(lake, it).engine for it in (settings, settings_for_tests())]
        found, expected = (it.most_similar_to_name(NAMES[1], 10) for it in engines)
        assert [name for _, name in found] == [name for _, name in expected]
        assert [it for it, _ in found] == pytest.approx([it for it, _ in expected], abs=1e-5)
    assert load(lake, settings.vector_database)["upserted"] == 0


def test_a_load_that_was_killed_while_it_made_a_collection_is_run_again(
    lake: Store, database: MilvusDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = publish_made(lake, 1, VECTORS)
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        # The client makes the index after the collection.
        patch.setattr("pymilvus.MilvusClient.create_index", lambda *_, **__: 1 / 0)
        load_release(lake, database, release)
    assert load_release(lake, database, release).upserted == 120


def test_an_alias_whose_collection_somebody_has_dropped_is_pointed_to_the_next_one(
    lake: Store, settings: Settings, database: MilvusDatabase
) -> None:
    publish_made(lake, 1, VECTORS)
    load(lake, settings.vector_database)
    there = settings.vector_database
    MilvusClient(there.uri, token=TOKEN).drop_collection(f"{there.prefix}_r1")
    with pytest.raises(UserError, match="run `python -m tasks load`"):
        Searcher(lake, settings)
    assert load(lake, settings.vector_database)["upserted"] == 120
    assert database.current() == 1


def test_a_wrong_token_is_told(
    lake: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_made(lake, 1, VECTORS)
    monkeypatch.setenv("MILVUS_TOKEN", "root:wrong")
    with pytest.raises(UserError, match=r"refuses the token; set MILVUS_TOKEN") as told:
        load(lake, settings.vector_database)
    assert "wrong" not in str(told.value)


def test_a_server_that_goes_away_during_a_search_is_told_in_one_line(
    lake: Store, settings: Settings, server: RunningMilvus
) -> None:
    publish_made(lake, 1, VECTORS)
    load(lake, settings.vector_database)
    engine = Searcher(lake, settings).engine
    server.kill()  # so this is the last test
    with pytest.raises(TransferError, match=rf"^Milvus at {server.uri}: .*unavailable$"):
        engine.most_similar_to_name(NAMES[0], 3)
