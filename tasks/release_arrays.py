"""The arrays of a release, opened so that no row is read which is not what was stored."""

import numpy as np

from tasks.index.checked_rows import CheckedRows
from tasks.index.rows import RowReader
from tasks.lake import layout
from tasks.lake.arrays import StoredRows
from tasks.lake.cache import local_file
from tasks.lake.manifest import Manifest
from tasks.lake.store import Store
from tasks.settings import Settings


def open_rows(
    lake: Store, release: Manifest, settings: Settings, gap: int = 0
) -> tuple[RowReader, RowReader]:
    """Opens vectors (N, d) and names (N,); each row is compared with its checksum when it is read.

    Args:
        lake: the data lake.
        release: whose rows.
        settings: cache of this machine.
        gap: see `StoredRows`.

    Raises:
        DamagedError: an array is missing or of another size.
    """
    artifacts = [
        release.artifacts[name] for name in (layout.NPY_IMAGE_VECTORS, layout.NPY_IMAGE_NAMES)
    ]
    vectors, names = (StoredRows(lake, artifact, kept_open=True, gap=gap) for artifact in artifacts)
    if layout.ROW_CHECKSUMS not in release.artifacts:  # made before there were any
        return vectors, names
    checksums = release.artifacts[layout.ROW_CHECKSUMS]
    file = local_file(lake, checksums, settings.cache, settings.cache_bytes)
    of_vectors, of_names = np.load(file, mmap_mode="r", allow_pickle=False).T
    places = [lake.uri(artifact.path) for artifact in artifacts]
    return (
        CheckedRows(vectors, of_vectors, places[0]),
        CheckedRows(names, of_names, places[1]),
    )
