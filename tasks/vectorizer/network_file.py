"""Reading the file of a network from wherever it is, never more of it than a network has."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import UserError
from tasks.vectorizer.network import Network

_LARGEST = 2 * 2**30  # bytes; more than one ONNX file can hold
_CHUNK = 2**20


def network_sha256(uri: str) -> str:
    """Returns the SHA-256 of a file, in hex.

    Raises:
        UserError: It cannot be read, or is too large.
    """
    digest = hashlib.sha256()
    for chunk in _chunks(uri):
        digest.update(chunk)
    return digest.hexdigest()


def fetch_network(network: Network, folder: Path) -> Path:
    """Copies the file of a network into a folder.

    Raises:
        UserError: It cannot be read, is too large, or is not the one that `sha256` tells.
    """
    digest, path = hashlib.sha256(), folder / f"given{Path(network.file).suffix}"
    with path.open("wb") as file:
        for chunk in _chunks(network.file):
            digest.update(chunk)
            file.write(chunk)
    if network.sha256 not in ("", digest.hexdigest()):
        raise UserError(
            f"the network {network.file} has SHA-256 {digest.hexdigest()}, not {network.sha256}; "
            "start a new run if it was replaced, or correct the file or the setting"
        )
    return path


def _chunks(uri: str) -> Iterator[bytes]:
    import fsspec  # a tenth of the start of tasks that read no network

    room = _LARGEST
    try:
        with fsspec.open(uri, "rb") as file:
            while chunk := file.read(_CHUNK):
                room -= len(chunk)
                if room < 0:
                    raise UserError(f"the network {uri} has more than {_LARGEST} bytes; refused")
                yield chunk
    except (OSError, ValueError, ImportError) as error:
        raise UserError(f"the network {uri} cannot be read: {error}; check the file") from error
