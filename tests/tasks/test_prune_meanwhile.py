"""What begins while `prune` is at work, before any of its requests: nothing that it needs goes."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks import prune as prune_module
from tasks.contract import file_result
from tasks.errors import UserError
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.papers import read_paper, write_paper
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.prune import prune
from tasks.publish import publish
from tasks.vectorize import vectorize
from tests.tasks.pipeline import NOTHING_STAYS, reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()
REQUESTS = ("delete", "folders", "objects", "read", "create")
CHANGES = ("delete", "create")
AS_LITTLE_AS_MAY_BE = NOTHING_STAYS.model_copy(update={"abandoned_days": 1})


def prune_while(
    lake: Store,
    before_request: int,
    happens: Callable[[Store], object],
    requests: tuple[str, ...] = REQUESTS,
) -> int:
    """Prunes with something happening before one of its requests; returns how many there were."""
    count = 0

    def noticed(name: str) -> Callable[..., Any]:
        request = getattr(lake, name)

        def make(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == before_request:
                happens(open_store(lake.uri("")))
            return request(*arguments, **options)

        return make

    with pytest.MonkeyPatch.context() as patch:
        for name in requests:
            patch.setattr(lake, name, noticed(name))
        prune(lake, AS_LITTLE_AS_MAY_BE)
    return count


def copies(lake: Store, folder: Path) -> Callable[[], Store]:
    """Returns what makes copies of a lake, each to do anything with."""
    source = lake.local_path("")
    assert source

    def copy() -> Store:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder, copy_function=os.link)  # replaced, never changed
        return open_store(folder.as_uri())

    return copy


def test_a_run_that_begins_at_any_moment_finds_or_makes_all_it_needs(
    indexed: Store, tmp_path: Path
) -> None:
    # Damages the release, so that the next run needs all shards; those are still there.
    file_result(indexed, "first", "publish", None, {})
    indexed.delete(layout.release(1, layout.CATALOGUE))
    copy = copies(indexed, tmp_path / "copy")
    shards: list[str] = []
    found_complete = set()

    def begin_a_run(lake: Store) -> None:
        shards[:] = [part["shard"] for part in plan(lake, "late", SETTINGS)["shards"]]
        found_complete.update(etl(lake, "late", shard)["already_complete"] for shard in shards)

    requests = prune_while(copy(), 0, begin_a_run)
    for moment in range(1, requests + 1):
        lake = copy()
        prune_while(lake, moment, begin_a_run)
        for shard in shards:
            feature_engineering(lake, "late", shard)
            vectorize(lake, "late", shard, SETTINGS)
        assert publish(lake, "late")["images"] == 6, f"before request {moment} of {requests}"
    assert found_complete == {True, False}


class Pin:
    """Somebody who pins release 1 while `prune` is at work, and what became of it."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, lake: Store) -> None:
        try:
            Releases(lake).pin(1)
            self.said.append("pinned")
        except UserError:
            self.said.append("refused")

    def check(self, lake: Store, when: str) -> None:
        """Makes sure that the pinned release is there with its model, or the newest one."""
        current = Releases(lake).current()
        assert current
        assert current.version == (1 if self.said[-1] == "pinned" else 2), when
        assert Releases(lake).is_sound(current), when
        assert lake.exists(layout.model(current.model["id"], layout.MODEL_CARD)), when


@pytest.fixture
def two_models(indexed: Store, master: Path) -> Store:
    """A lake with two finished releases, the first made with a model that no other one needs."""
    file_result(indexed, "first", "publish", None, {})
    path = layout.release(1, layout.MANIFEST)
    manifest = read_paper(indexed, path)
    card = indexed.read(layout.model(manifest["model"]["id"], layout.MODEL_CARD))
    manifest["model"]["id"] = "another"
    write_paper(indexed, path, manifest)
    indexed.write(layout.model("another", layout.MODEL_CARD), card)
    indexed.write(layout.model("another", layout.ONNX_VECTORIZER_MODEL), b"its network")
    save_photo(master / "another.jpg", "coffee", 10)
    file_result(indexed, "second", "publish", None, reindex(indexed, "second"))
    return indexed


def test_a_pin_that_is_set_at_any_moment_holds_or_is_refused(
    two_models: Store, tmp_path: Path
) -> None:
    copy, pin = copies(two_models, tmp_path / "copy"), Pin()
    requests = prune_while(copy(), 0, pin)
    for moment in range(1, requests + 1):
        lake = copy()
        prune_while(lake, moment, pin)
        pin.check(lake, f"before request {moment}")
    assert set(pin.said) == {"pinned", "refused"}


def test_two_prunes_and_a_pin_at_any_moments_leave_the_pinned_release(
    two_models: Store, tmp_path: Path
) -> None:
    copy, pin = copies(two_models, tmp_path / "copy"), Pin()
    moments = prune_while(copy(), 0, pin, CHANGES)
    for first in range(1, moments + 1):
        second = 0
        while True:
            second += 1
            lake, said = copy(), len(pin.said)
            prune_while(
                lake,
                first,
                lambda other, at=second: prune_while(other, at, pin, CHANGES),  # type: ignore[misc]
                CHANGES,
            )
            if len(pin.said) == said:
                break  # the second prune was done before
            pin.check(lake, f"before request {second} of the second, {first} of the first one")
    assert set(pin.said) == {"pinned", "refused"}


def test_what_a_prune_that_died_was_removing_comes_back_if_it_is_needed(
    two_models: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, pin = copies(two_models, tmp_path / "copy"), Pin()
    for moment in range(1, prune_while(copy(), 0, pin, CHANGES) + 1):
        lake = copy()

        def pin_and_kill(lake: Store) -> None:
            pin(lake)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prune_while(lake, moment, pin_and_kill, CHANGES)
        with monkeypatch.context() as patch:
            patch.setattr(prune_module, "_UNFINISHED_DAYS", 0.0)
            prune(lake, AS_LITTLE_AS_MAY_BE)
        pin.check(lake, f"died before request {moment}")
        assert not [item for item in lake.objects() if item.path.endswith(layout.PRUNING)]
