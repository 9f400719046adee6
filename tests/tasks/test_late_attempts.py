"""Tasks that were thought dead and write late: no image ever gets the vector of another one."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tasks import etl as etl_module
from tasks import publish as publish_module
from tasks import vectorize as vectorize_module
from tasks.build_model import build_model
from tasks.errors import UserError
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.index.cosine import get_cosine_similarity
from tasks.lake import layout
from tasks.lake.arrays import read_npy_batches
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.landing import discard_landing
from tasks.plan import plan
from tasks.publish import publish
from tasks.vectorize import vectorize
from tests.conftest import link_model
from tests.tasks.pipeline import reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()
PHOTOS = {"0.jpg": "chelsea", "1.jpg": "coffee", "2.jpg": "rocket"}


@contextmanager
def held_up(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, step: str, work: Callable[[], object]
) -> Iterator[None]:
    """Begins work in another thread and holds it before a step of it until the block ends."""
    real, here, go_on = getattr(module, step), threading.Event(), threading.Event()

    def hold(*arguments: Any, **options: Any) -> Any:
        if threading.current_thread() is thread:
            here.set()
            assert go_on.wait(60)
        return real(*arguments, **options)

    thread = threading.Thread(target=work)
    monkeypatch.setattr(module, step, hold)
    thread.start()
    assert here.wait(60)
    yield
    go_on.set()
    thread.join()


@contextmanager
def without(image: Path) -> Iterator[None]:
    """Takes an image away while the block runs; it comes back as the very same one."""
    aside = image.parents[2] / image.name
    image.rename(aside)
    yield
    aside.rename(image)


def planned(lake: Store, master: Path) -> str:
    for name, photo in PHOTOS.items():
        save_photo(master / name, photo)
    (shard,) = plan(lake, "r", SETTINGS)["shards"]
    build_model(lake, "r", SETTINGS)
    return str(shard["shard"])


def embed(lake: Store, shard: str) -> None:
    etl(lake, "r", shard)
    feature_engineering(lake, "r", shard)
    vectorize(lake, "r", shard, SETTINGS)


def released(lake: Store) -> dict[str, npt.NDArray[np.float32]]:
    release = Releases(lake).latest()
    assert release
    names, vectors = (
        np.concatenate(list(read_npy_batches(lake, release.artifacts[name], 100)))
        for name in (layout.NPY_IMAGE_NAMES, layout.NPY_IMAGE_VECTORS)
    )
    return dict(zip(names.tolist(), vectors, strict=True))


def assert_each_has_its_own(
    lake: Store, expected: dict[str, npt.NDArray[np.float32]], names: set[str]
) -> None:
    found = released(lake)
    assert found.keys() == names
    for name, vector in found.items():
        assert get_cosine_similarity(vector, expected[name]) > 0.9999, name


@pytest.fixture
def expected(indexed_apart: Store) -> dict[str, npt.NDArray[np.float32]]:
    """The vector of each image, from a lake of its own."""
    return released(indexed_apart)


@pytest.fixture
def indexed_apart(lake: Store, tmp_path: Path) -> Store:
    """Another lake with the same images, indexed undisturbed."""
    root, source = tmp_path / "apart", lake.local_path("")
    assert source
    for name, photo in PHOTOS.items():
        save_photo(root / "master" / name, photo)
    link_model(source, root)
    apart = open_store(root.as_uri())
    reindex(apart, "r")
    return apart


def test_the_first_landing_of_a_shard_stands(
    lake: Store,
    master: Path,
    expected: dict[str, npt.NDArray[np.float32]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shard = planned(lake, master)

    with ExitStack() as late:
        with without(master / "0.jpg"):
            late.enter_context(
                held_up(monkeypatch, etl_module, "write_npy", lambda: etl(lake, "r", shard, 1))
            )
        with without(master / "1.jpg"):
            embed(lake, shard)
    publish(lake, "r")
    assert_each_has_its_own(lake, expected, {"0.jpg", "2.jpg"})
    reindex(lake, "next")
    assert_each_has_its_own(lake, expected, set(PHOTOS))


def test_what_was_made_from_another_landing_is_made_again(
    lake: Store, master: Path, expected: dict[str, npt.NDArray[np.float32]]
) -> None:
    shard = planned(lake, master)
    with without(master / "0.jpg"):
        embed(lake, shard)
    discard_landing(lake, shard)  # as who finds it damaged does
    with without(master / "1.jpg"):
        etl(lake, "r", shard)
    with pytest.raises(UserError, match="is not complete; clear its tasks, from etl on"):
        publish(lake, "r")
    with pytest.raises(UserError, match="has no features"):
        vectorize(lake, "r", shard, SETTINGS)
    embed(lake, shard)
    publish(lake, "r")
    assert_each_has_its_own(lake, expected, {"0.jpg", "2.jpg"})


def test_what_was_made_from_the_same_images_serves_again(lake: Store, master: Path) -> None:
    shard = planned(lake, master)
    embed(lake, shard)
    discard_landing(lake, shard)
    assert not etl(lake, "r", shard)["already_complete"]
    assert feature_engineering(lake, "r", shard)["already_complete"]
    assert vectorize(lake, "r", shard, SETTINGS)["already_complete"]


def test_a_landing_that_is_replaced_while_a_release_is_made_is_not_mixed_with_its_successor(
    lake: Store,
    master: Path,
    expected: dict[str, npt.NDArray[np.float32]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shard = planned(lake, master)
    with without(master / "0.jpg"):
        embed(lake, shard)
    refused = []

    def late() -> None:
        with pytest.raises(UserError, match="is not complete") as error:
            publish(lake, "r")
        refused.append(error)

    # It has the names in the catalogue, and is about to take the vectors.
    with held_up(monkeypatch, publish_module, "vector_batches", late):
        discard_landing(lake, shard)
        with without(master / "1.jpg"):
            embed(lake, shard)
    assert refused
    assert Releases(lake).latest() is None
    publish(lake, "r")
    assert_each_has_its_own(lake, expected, {"0.jpg", "2.jpg"})


@pytest.mark.parametrize("step", ["seal", "write_npy"])
def test_two_that_embed_a_shard_on_unlike_machines_do_not_mix(
    lake: Store,
    master: Path,
    expected: dict[str, npt.NDArray[np.float32]],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    shard = planned(lake, master)
    etl(lake, "r", shard)
    feature_engineering(lake, "r", shard)
    with (
        held_up(monkeypatch, vectorize_module, step, lambda: vectorize(lake, "r", shard, SETTINGS)),
        monkeypatch.context() as patch,
    ):
        patch.setattr(vectorize_module, "open_vectorizer", _unlike)
        vectorize(lake, "r", shard, SETTINGS)
    publish(lake, "r")
    assert_each_has_its_own(lake, expected, set(PHOTOS))


_open_vectorizer = vectorize_module.open_vectorizer


def _unlike(*arguments: Any) -> Any:
    """Opens a vectorizer whose vectors differ in the last bit, as on another kind of processor."""
    vectorizer = _open_vectorizer(*arguments)

    class Unlike:
        def transform(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
            return np.nextafter(vectorizer.transform(images), np.float32(9))

    return Unlike()
