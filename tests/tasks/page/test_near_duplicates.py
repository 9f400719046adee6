import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.page import Worker, look_for_near_duplicates
from tasks.errors import UserError
from tasks.index.ranking import Ranking
from tasks.lake import layout
from tasks.lake.catalogue import Image
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.page.near_duplicates import PAIR, NearDuplicates, group
from tasks.page.open_releases import OpenRelease, OpenReleases
from tasks.settings import Settings
from tests.made_release import COPY_EVERY, large_name, large_release, store_release
from tests.tasks.page.conftest import Publish


def look(found: NearDuplicates, release: OpenRelease) -> None:
    found.start(release)
    deadline = time.monotonic() + 60
    while found.state(release)["state"] == "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert found.state(release)["state"] == "ready"


def test_images_that_look_nearly_the_same_are_grouped(
    lake: Store, settings: Settings, releases: OpenReleases, publish: Publish, photos: object
) -> None:
    publish(
        {f"{number}/{copy}": ("a.jpg", number) for number in range(5) for copy in range(number)}
    )
    found = NearDuplicates(lake, settings)
    release = releases.get()
    assert found.state(release)["state"] == "missing"
    with pytest.raises(UserError, match="start it"):
        found.groups(release, 0.95, 0, 9)
    look(found, release)
    groups = found.groups(release, 0.95, 0, 9)
    assert [(one["size"], one["names"][0]) for one in groups["groups"]] == [
        (4, "4/0"),
        (3, "3/0"),
        (2, "2/0"),
    ]
    assert (groups["total"], groups["images"]) == (3, 9)
    assert found.groups(release, 0.95, 1, 1)["groups"] == groups["groups"][1:2]
    assert found.groups(release, 1.0, 0, 9)["total"] == 0
    with pytest.raises(UserError, match="the threshold must be"):
        found.groups(release, 0.5, 0, 9)
    assert NearDuplicates(lake, settings).state(release)["state"] == "ready"


def test_many_copies_of_one_image_are_one_group(
    lake: Store, settings: Settings, releases: OpenReleases
) -> None:
    images = [
        Image(name=f"{row:06d}.jpg", bytes=1, fingerprint="f", sha256="s", row=row)
        for row in range(3000)
    ]
    vectors = np.abs(np.random.default_rng(0).standard_normal((3000, 64), np.float32))
    vectors[1000:] = vectors[999]
    store_release(lake, 1, images, lambda: [vectors])
    found = NearDuplicates(lake, settings)
    look(found, releases.get())
    groups = found.groups(releases.get(), 0.99, 0, 9)
    assert (groups["total"], groups["images"]) == (1, 2001)
    assert len(groups["groups"][0]["names"]) < 100


def test_vectors_that_are_centred_for_searches_are_so_here(
    lake: Store, settings: Settings, releases: OpenReleases
) -> None:
    images = [
        Image(name=f"{row:06d}.jpg", bytes=1, fingerprint="f", sha256="s", row=row)
        for row in range(2000)
    ]
    vectors = 5 + np.random.default_rng(0).standard_normal((2000, 64)).astype(np.float32)
    vectors[1::100] = vectors[::100] + 0.01
    store_release(lake, 1, images, lambda: [vectors], ranking=Ranking())
    found = NearDuplicates(lake, settings)
    look(found, releases.get())
    # With what they have in common, all are alike.
    groups = found.groups(releases.get(), 0.9, 0, 99)
    assert (groups["total"], groups["images"]) == (20, 40)


def test_memory_does_not_grow_with_the_catalogue_and_few_images_take_seconds(
    tmp_path: Path,
) -> None:
    count = 10_000
    lake = tmp_path / "lake"
    lake.mkdir()
    large_release(open_store(lake.as_uri()), count, dimensions=512)
    with Worker(lake, tmp_path / "cache") as worker:
        worker.ask("similar", version=1, name=large_name(0), n=1)
        before = worker.memory()
        taken = look_for_near_duplicates(worker)
    assert taken.groups == count // COPY_EVERY
    assert taken.most_memory - before < 100, f"{before:.0f} MB, then {taken.most_memory:.0f} MB"
    assert taken.seconds < 60


def test_too_many_images_are_refused(
    lake: Store, settings: Settings, releases: OpenReleases, monkeypatch: pytest.MonkeyPatch
) -> None:
    large_release(lake, 20, dimensions=16)
    monkeypatch.setattr("tasks.page.near_duplicates.MOST_IMAGES", 19)
    with pytest.raises(UserError, match=r"20 images are too many to compare .* 19"):
        NearDuplicates(lake, settings).start(releases.get())


def test_another_worker_knows_how_far_the_first_one_is_until_that_has_died(
    lake: Store, settings: Settings, releases: OpenReleases, monkeypatch: pytest.MonkeyPatch
) -> None:
    large_release(lake, 20, dimensions=16)
    told = {"done": 5, "images": 20, "at": time.time()}
    lake.write_json(layout.near_duplicates_progress(1), told)
    found = NearDuplicates(lake, settings)
    assert found.start(releases.get()) == {
        "state": "running",
        "release": 1,
        "done": 5,
        "images": 20,
    }
    assert not found.is_busy()
    lake.write_json(layout.near_duplicates_progress(1), {**told, "at": time.time() - 3600})
    assert found.state(releases.get())["state"] == "missing"
    look(found, releases.get())


def test_a_long_chain_is_one_group() -> None:
    pairs = np.empty(999, PAIR)
    pairs["first"], pairs["second"] = np.arange(999), np.arange(1, 1000)
    shuffled = np.random.default_rng(0).permutation(pairs)
    assert group(shuffled) == [list(range(1000))]
    assert group(np.empty(0, PAIR)) == []
