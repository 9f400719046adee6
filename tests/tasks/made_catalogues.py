"""Releases over made vectors in a local lake, one after the other, for tests of what reads them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tasks.index.ranking import Ranking
from tasks.lake.catalogue import Image
from tasks.lake.manifest import Manifest
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tests.made_release import store_release

DIMENSIONS = 32
Vectors = dict[str, npt.NDArray[np.float32]]


def made_lake(folder: Path) -> Store:
    """Returns an empty lake."""
    (folder / "master").mkdir(parents=True)
    return open_store(folder.as_uri())


def made_vectors(names: list[str], seed: int = 0) -> Vectors:
    """Returns vectors like those of a network: not negative, all pointing about one way."""
    rng = np.random.default_rng(seed)
    made = np.abs(rng.standard_normal((len(names), DIMENSIONS))).astype(np.float32)
    return dict(zip(names, made, strict=True))


def publish_made(
    lake: Store, version: int, vectors: Vectors, ranking: Ranking | None = None
) -> Manifest:
    """Stores a release of these images."""
    names = sorted(vectors)
    images = [
        Image(name=name, bytes=1, fingerprint="f", sha256="0" * 64, row=row)
        for row, name in enumerate(names)
    ]
    rows = np.stack([vectors[name] for name in names])
    return store_release(lake, version, images, lambda: [rows], ranking=ranking or Ranking())
