"""Weights as arrays by name: their digest, and an `.npz` file that keeps them with their origin."""

import hashlib
import json
import uuid
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[np.float32]]

_PROVENANCE = "provenance"

# What reading raises, depending on which byte is wrong.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class WeightsProvenance:
    """Where the weights of a vectorizer came from, for its model card.

    Attributes:
        source: What they were read from, for a person.
        file_sha256: SHA-256 of the file they came in; empty where Keras fetched it and compared it
            with its own pinned hash.
        weights_sha256: `arrays_sha256` of the feature extractor: the same for the same weights,
            whatever file they came in.
    """

    source: str
    file_sha256: str
    weights_sha256: str


def arrays_sha256(arrays: Arrays) -> str:
    """Returns the SHA-256 over names, dtypes, shapes and values, in the order of the names."""
    sha256 = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        sha256.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(array.data)
    return sha256.hexdigest()


def write_archive(path: Path, arrays: Arrays, provenance: WeightsProvenance) -> None:
    """Writes an archive. `path` is whole at any moment, whoever else writes it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    note = np.array(json.dumps(asdict(provenance)))
    temporary = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **{_PROVENANCE: note}, **arrays)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_archive(path: Path) -> tuple[Arrays, WeightsProvenance]:
    """Reads an archive against its checksums.

    The arrays returned are as they were written; that one is missing is for `assign` to notice.

    Raises:
        OSError: There is none, or it may not be read.
        ValueError: It is damaged.
    """
    with path.open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            return arrays, WeightsProvenance(**json.loads(str(arrays.pop(_PROVENANCE))))
        except _DAMAGE as error:
            raise ValueError(f"{path} is damaged: {error}") from error
