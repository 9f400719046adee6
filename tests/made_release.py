"""Releases made without a run or a model, of any number of images.

A lake with a large one, in the tasks' environment: `python -m tests.made_release LAKE IMAGES`.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.index.centre import MeanVector, centred
from tasks.index.checked_rows import row_checksums
from tasks.index.ranking import PLAIN, Ranking
from tasks.index.vector_index import DEFAULT_FACTORY, build_index, write_index
from tasks.lake import layout
from tasks.lake.arrays import write_npy
from tasks.lake.catalogue import Image
from tasks.lake.lines import write_lines
from tasks.lake.manifest import Manifest
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.settings import LimitSettings
from tests.made_manifest import made_manifest, store_manifest
from tests.tasks.pipeline import save_photo

Vectors = npt.NDArray[np.float32]

FOLDER = 1000
PICTURES = 24
# Every so many images, one looks nearly like the one before.
COPY_EVERY = 10
_LATENT = 32
_BATCH = 1000


def store_release(  # pylint: disable=too-many-locals  # the parts of a release
    lake: Store,
    version: int,
    images: Iterable[Image],
    batches: Callable[[], Iterable[Vectors]],
    factory: str = DEFAULT_FACTORY,
    *,
    ranking: Ranking = PLAIN,
) -> Manifest:
    """Stores a release.

    Args:
        lake: where to.
        version: its number; nobody may have it.
        images: its catalogue, ordered by name, each with its row.
        batches: starts a pass over the vectors of the images that have a row, in order.
        factory: of the index.
        ranking: how hits are ranked, and whether vectors are centred.
    """

    def path(name: str) -> str:
        return layout.release(version, name)

    listed = list(images)
    names = np.array([image.name for image in listed if image.row is not None])
    shape = (len(names), next(iter(batches())).shape[1])
    file = Path(lake.root) / "made.faiss"
    mean = _mean(batches(), shape[1])
    centre = mean if ranking.centre else None
    write_index(build_index(lambda: _centred(batches(), centre), shape, factory), file)
    sums = _checksums(batches(), names)
    stored = (
        write_lines(lake, path(layout.CATALOGUE), listed),
        lake.upload(path(layout.IMAGE_INDEX), file),
        write_npy(lake, path(layout.NPY_IMAGE_VECTORS), shape, np.float32, batches()),
        write_npy(lake, path(layout.NPY_IMAGE_NAMES), names.shape, names.dtype, [names]),
        write_npy(lake, path(layout.MEAN_VECTOR), shape[1:], np.float32, [mean]),
        write_npy(lake, path(layout.ROW_CHECKSUMS), sums.shape, np.uint32, [sums]),
    )
    file.unlink()
    manifest = made_manifest(
        version,
        len(names),
        pipeline={"ranking": ranking.model_dump()},
        limits=LimitSettings().model_dump(),
        artifacts={Path(artifact.path).name: artifact for artifact in stored},
    )
    store_manifest(lake, manifest)
    return manifest


def _checksums(batches: Iterable[Vectors], names: npt.NDArray[np.str_]) -> npt.NDArray[np.uint32]:
    of_vectors = np.concatenate([row_checksums(batch) for batch in batches])
    return np.stack([of_vectors, row_checksums(names)], axis=1)


def _mean(batches: Iterable[Vectors], dimensions: int) -> Vectors:
    mean = MeanVector(dimensions)
    for batch in batches:
        mean.add(batch)
    return mean.mean()


def _centred(batches: Iterable[Vectors], mean: Vectors | None) -> Iterator[Vectors]:
    return (centred(batch, mean) for batch in batches)


def large_release(lake: Store, count: int, dimensions: int) -> Manifest:
    """Stores release 1 of so many images on a local lake: a few pictures under many names."""
    pictures = [lake.local_path(f"pictures/{number}.jpg") for number in range(PICTURES)]
    for number, picture in enumerate(pictures):
        assert picture
        save_photo(picture, ("chelsea", "coffee", "rocket")[number % 3], number)
    digests = [lake.digest(f"pictures/{number}.jpg") for number in range(PICTURES)]
    images = []
    for row in range(count):
        name = large_name(row)
        file = lake.local_path(f"{layout.MASTER}/{name}")
        assert file
        if row % FOLDER == 0:
            file.parent.mkdir(parents=True)
        number = _picture(row)
        os.link(pictures[number], file)  # type: ignore[arg-type]  # they are local
        size = file.stat().st_size
        images.append(
            Image(name=name, bytes=size, fingerprint="f", sha256=digests[number], row=row)
        )
    return store_release(lake, 1, images, lambda: _vectors(count, dimensions), ranking=Ranking())


def large_name(row: int) -> str:
    """Returns the name of an image of a large release."""
    return f"folder {row // FOLDER:03d}/{row:06d}.jpg"


def _picture(row: int) -> int:
    return (row - 1 if row % COPY_EVERY == COPY_EVERY - 1 else row) % PICTURES


def _vectors(count: int, dimensions: int) -> Iterator[Vectors]:
    """Yields vectors like those of a network: not negative, and of far fewer dimensions."""
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((_LATENT, dimensions), np.float32)
    for start in range(0, count, _BATCH):
        rows = min(_BATCH, count - start)
        made = np.abs(rng.standard_normal((rows, _LATENT), np.float32) @ basis)
        copies = np.arange(COPY_EVERY - 1, rows, COPY_EVERY)
        noise = np.abs(rng.standard_normal((len(copies), dimensions), np.float32))
        made[copies] = made[copies - 1] + 0.2 * noise
        yield made


def main(arguments: Any = None) -> None:
    """Makes a lake."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("lake", type=Path)
    parser.add_argument("images", type=int)
    parser.add_argument("--dimensions", type=int, default=64)
    given = parser.parse_args(arguments)
    given.lake.mkdir(parents=True, exist_ok=True)
    large_release(open_store(given.lake.as_uri()), given.images, given.dimensions)


if __name__ == "__main__":
    main()
