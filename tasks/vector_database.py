"""The vector database that the settings name: which release is searched there, how one gets in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.index.centre import CentredRows, centred
from tasks.index.checked_rows import CheckedRows
from tasks.index.checks import recall_of
from tasks.index.cosine import get_cosine_similarity
from tasks.index.milvus_client import Client
from tasks.index.milvus_collection import MilvusCollection, key_of
from tasks.index.milvus_database import MilvusDatabase
from tasks.index.milvus_vectors import MilvusVectors
from tasks.index.rows import Ids
from tasks.lake import layout
from tasks.lake.arrays import StoredRows, read_npy_batches
from tasks.lake.manifest import Manifest
from tasks.lake.releases import Releases
from tasks.lake.store import Artifact, Store
from tasks.release_ranking import read_mean
from tasks.settings import VectorDatabaseSettings

_NAMES_AT_ONCE = 100_000
# 8 MB of vectors of 2,048 dimensions: gRPC takes messages of 64 at most.
_VECTORS_AT_ONCE = 1_000
_SAMPLE = 100
# Of a cosine, between a vector of the release and what is stored of it.
_TOLERANCE = 1e-4


def open_database(settings: VectorDatabaseSettings) -> MilvusDatabase:
    """Opens the database that the settings name.

    Raises:
        UserError: they name none, or its packages are not installed.
        TransferError: it does not answer, or another process has the file open.
    """
    if not settings.uri:
        raise UserError("no vector database is set; give `uri` under [vector_database]")
    client = Client(settings.uri, os.environ.get("MILVUS_TOKEN", ""))
    return MilvusDatabase(client, settings.prefix, settings)


@contextmanager
def opened_database(settings: VectorDatabaseSettings) -> Iterator[MilvusDatabase]:
    """Opens the database for a block, see `open_database`; a file is free for others then."""
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


def release_to_search(lake: Store, database: MilvusDatabase) -> Manifest:
    """Returns the release that is searched in a database: the pinned one, else the one it says.

    Raises:
        UserError: there is none yet, or it has been pruned from the lake.
    """
    releases = Releases(lake)
    version = releases.pinned() or database.current()
    if version is None:
        raise UserError(
            "no release is in the vector database yet; run `python -m tasks load`, after "
            "image_reindex"
        )
    release = releases.get(version)
    if release is None:
        raise UserError(
            f"release {version} of the vector database is not in {lake}; run `python -m tasks load`"
        )
    return release


def open_vectors(
    database: MilvusDatabase, release: Manifest, mean: npt.NDArray[np.float32] | None
) -> MilvusVectors:
    """Opens the vectors of a release in a database.

    Args:
        database: that holds it.
        release: to be searched.
        mean: of the release (d,), if its vectors are centred.

    Raises:
        UserError: it does not hold the release.
    """
    collection = database.open(release.version)
    return MilvusVectors(collection, release.counts.images, mean)


@dataclass(frozen=True)
class Difference:
    """What brings a collection to a release: how many images were upserted and deleted."""

    upserted: int
    deleted: int


def load_release(lake: Store, database: MilvusDatabase, release: Manifest) -> Difference:
    """Brings the collection that is not current to a release; then it holds that, as a whole.

    Only the difference to what it holds is sent. Where a load was killed, the next one goes on.

    Raises:
        UserError: the release is of a time before rows had checksums.
        DamagedError: a row is not what it was.
    """
    rows = _ReleaseVectors(lake, release)
    mean = read_mean(lake, release)
    collection = database.take(release.version, rows.dimensions, mean)
    difference = _send(rows, collection)
    if len(collection) != release.counts.images:
        raise UserError(
            f"the collection {collection.name} holds {len(collection)} images, release "
            f"{release.version} has {release.counts.images}; another load was at work: load again"
        )
    database.complete(collection, release.version)
    return difference


def compare(lake: Store, database: MilvusDatabase, release: Manifest) -> list[str]:
    """Returns what differs between a release and the collection that holds it: counts, a sample.

    Raises:
        UserError: none holds it.
    """
    collection = database.open(release.version)
    images, count = release.counts.images, len(collection)
    problems = [] if count == images else [f"it holds {count} images, the release {images}"]
    rows = _ReleaseVectors(lake, release)
    sample = np.sort(np.random.default_rng(0).choice(images, min(_SAMPLE, images), replace=False))
    names = [str(name) for name in rows.names.read_rows(sample)]
    stored = collection.read(names)
    vectors = centred(rows.vectors.read_rows(sample), collection.centre)
    for name, vector in zip(names, vectors, strict=True):
        if name not in stored:
            problems.append(f"{name} is missing")
        elif vector.any() and get_cosine_similarity(vector, stored[name]) < 1 - _TOLERANCE:
            problems.append(f"{name} has another vector")
    return problems


def recall_at_10(lake: Store, database: MilvusDatabase, release: Manifest) -> float:
    """Returns which share of the ten truly nearest images is found, over sampled images.

    Reads all vectors of the release once.

    Raises:
        UserError: no collection holds the release.
    """
    mean = read_mean(lake, release)
    store = open_vectors(database, release, mean)
    rows = CentredRows(_ReleaseVectors(lake, release).vectors, mean)
    return recall_of(lambda query: store.nearest(query, 10, 0).scores, rows)


class _ReleaseVectors:
    """Names, checksums and vectors of a release, by row."""

    def __init__(self, lake: Store, release: Manifest) -> None:
        if layout.ROW_CHECKSUMS not in release.artifacts:
            raise UserError(
                f"release {release.version} has no checksums of its rows, which are needed to load "
                "it; run image_reindex with full_rebuild"
            )
        vectors, names, sums = (
            release.artifacts[name]
            for name in (layout.NPY_IMAGE_VECTORS, layout.NPY_IMAGE_NAMES, layout.ROW_CHECKSUMS)
        )
        self.of_vectors, of_names = _whole(lake, sums).T
        self.names = CheckedRows(StoredRows(lake, names), of_names, names.path)
        self.vectors = CheckedRows(StoredRows(lake, vectors), self.of_vectors, vectors.path)
        self.dimensions = self.vectors.read_rows(np.array([0])).shape[1]

    def batches(self) -> Iterator[tuple[Ids, npt.NDArray[np.str_]]]:
        """Yields row numbers and names of all rows, in order."""
        for start in range(0, len(self.names), _NAMES_AT_ONCE):
            ids = np.arange(start, min(start + _NAMES_AT_ONCE, len(self.names)))
            yield ids, self.names.read_rows(ids)


def _whole(lake: Store, artifact: Artifact) -> npt.NDArray[np.uint32]:
    return np.concatenate(list(read_npy_batches(lake, artifact, _NAMES_AT_ONCE)))


def _send(rows: _ReleaseVectors, collection: MilvusCollection) -> Difference:
    """Upserts what is new or has changed, and deletes what the release does not have."""
    keys, checksums = collection.checksums()
    stays = np.zeros(len(keys), bool)
    upserted = 0
    for ids, names in rows.batches():
        wanted = np.array([key_of(str(name)) for name in names], "S32")
        sums = np.array([f"{value:08x}" for value in rows.of_vectors[ids]], "S8")
        is_there = np.isin(wanted, keys, assume_unique=True)
        places = np.searchsorted(keys, wanted[is_there])
        stays[places] = True
        differs = ~is_there
        differs[is_there] = checksums[places] != sums[is_there]
        _upsert(rows, collection, ids[differs], sums[differs])
        upserted += int(differs.sum())
    gone = [key.decode() for key in keys[~stays]]
    collection.delete(gone)
    return Difference(upserted, len(gone))


def _upsert(
    rows: _ReleaseVectors, collection: MilvusCollection, ids: Ids, sums: npt.NDArray[np.bytes_]
) -> None:
    for start in range(0, len(ids), _VECTORS_AT_ONCE):
        part = slice(start, start + _VECTORS_AT_ONCE)
        names = [str(name) for name in rows.names.read_rows(ids[part])]
        vectors = centred(rows.vectors.read_rows(ids[part]), collection.centre)
        collection.upsert(names, [it.decode() for it in sums[part]], vectors)
