"""When two lakes hold the same, for whoever asks them."""

import numpy as np

from tasks.lake import layout
from tasks.lake.arrays import read_npy_batches
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.searcher import Searcher
from tasks.verify import verify
from tests.tasks.pipeline import settings_for_tests


def newest_sound(lake: Store) -> Manifest:
    release = Releases(lake).latest()
    assert release
    return release


def release_names(lake: Store, release: Manifest) -> list[str]:
    stored = release.artifacts[layout.NPY_IMAGE_NAMES]
    return [str(name) for batch in read_npy_batches(lake, stored, 100) for name in batch]


def vectors(lake: Store, release: Manifest) -> np.ndarray:
    stored = release.artifacts[layout.NPY_IMAGE_VECTORS]
    return np.concatenate(list(read_npy_batches(lake, stored, 100)))


def assert_equal(lake: Store, fresh: Store) -> None:
    """The releases of two lakes hold the same and answer the same."""
    ours, theirs = newest_sound(lake), newest_sound(fresh)
    names = release_names(lake, ours)
    assert names == release_names(fresh, theirs)
    assert [item.name for item in ours.rejections] == [item.name for item in theirs.rejections]
    one, other = (
        np.concatenate(
            list(read_npy_batches(store, release.artifacts[layout.NPY_IMAGE_VECTORS], 99))
        )
        for store, release in ((lake, ours), (fresh, theirs))
    )
    np.testing.assert_allclose(one, other, atol=1e-4)
    searchers = [Searcher(store, settings_for_tests()) for store in (lake, fresh)]
    for name in names:
        answers = [searcher.search(name, 3).results for searcher in searchers]
        scores = [[hit["score"] for hit in answer] for answer in answers]
        np.testing.assert_allclose(*scores, atol=1e-5)
    assert verify(lake, settings_for_tests(), version=ours.version)["sound"]
