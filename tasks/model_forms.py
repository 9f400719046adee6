"""From the settings of a run to the stored forms of its network."""

import hashlib
import logging
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.model import model_of_releases
from tasks.run_plan import RunPlan
from tasks.settings import Settings
from tasks.vectorizer.backbones import get_backbone
from tasks.vectorizer.network import Network
from tasks.vectorizer.network_file import fetch_network
from tasks.vectorizer.vectorizer import Vectorizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Origin:
    """What a network was made from.

    Attributes:
        name: of the network.
        weights: where they came from, and their digests.
        reference: what its ONNX form must agree with; None for its Keras form.
    """

    name: str
    weights: dict[str, str]
    reference: Vectorizer | None = None


def store_forms(lake: Store, plan: RunPlan, settings: Settings, folder: Path) -> Origin:
    """Makes the forms of a run's network and stores each unless it is there.

    Args:
        lake: the data lake.
        plan: of the run.
        settings: cache of this machine.
        folder: an empty one, to work in.

    Raises:
        UserError: the network or its weights cannot be had, are wrong or are not those that
            releases were made with.
    """
    if plan.pipeline.network.file:
        origin = _from_file(plan.pipeline.network, folder)
    else:
        origin = _from_backbone(lake, plan, settings, folder)
    for name in layout.MODEL_FORMS:
        if (file := folder / name).exists():
            lake.create(layout.model(plan.model, name), file.read_bytes())
    return origin


def _from_backbone(lake: Store, plan: RunPlan, settings: Settings, folder: Path) -> Origin:
    from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
    from tasks.vectorizer.weights import SOURCES, load_weights

    backbone, pipeline = get_backbone(plan.pipeline.backbone), plan.pipeline
    network = build_network(backbone)
    cache = settings.cache.expanduser() / "weights"
    logger.info("loading the weights of %s", backbone.name)
    provenance = load_weights(
        network,
        backbone,
        pipeline.weights,
        pipeline.weights_sha256,
        cache=cache,
        restore=partial(_restore_weights, lake),
    )
    _require_same_weights(lake, plan.model, provenance.weights_sha256)
    if pipeline.weights in SOURCES:
        _keep_weights(lake, cache / f"{backbone.name}-{pipeline.weights}.npz")
    _write_forms(feature_extractor(network, backbone), folder)
    return Origin(backbone.name, asdict(provenance))


def _require_same_weights(lake: Store, model: str, weights_sha256: str) -> None:
    """Makes sure that a model that is built again stays comparable with its vectors."""
    made_with = model_of_releases(lake, model)
    if made_with and made_with.weights.get("weights_sha256") != weights_sha256:
        raise UserError(
            f"the weights are not those that releases with the model {model} were made with; put "
            "those back, or set weights_sha256 or another URI, which makes another model"
        )


def _from_file(network: Network, folder: Path) -> Origin:
    """Turns a file of a network into forms. What computes comparable vectors is all of the file."""
    logger.info("reading the network %s", network.file)
    path = fetch_network(network, folder)
    weights = {
        "source": network.file,
        "file_sha256": network.sha256,
        "weights_sha256": network.sha256,
    }
    if path.suffix == ".onnx":
        from tasks.vectorizer.onnx_network import OnnxNetwork

        given = OnnxNetwork(path, network)
        given.save_adapted(folder / layout.ONNX_VECTORIZER_MODEL)
        return Origin(network.name, weights, given)
    from tasks.vectorizer.keras_network import load_network

    _write_forms(load_network(path, network), folder)
    return Origin(network.name, weights)


def _write_forms(extractor: Any, folder: Path) -> None:
    """Writes a Keras network as it is and for ONNX Runtime."""
    from tasks.vectorizer.export import export_onnx, save_keras

    save_keras(extractor, folder / layout.TF_VECTORIZER_MODEL)
    export_onnx(extractor, folder / layout.ONNX_VECTORIZER_MODEL)


def _restore_weights(lake: Store, entry: Path) -> bool:
    """Copies weights that the lake keeps to a file; returns False if it has none of this name."""
    try:
        data = lake.read(f"{layout.WEIGHTS}/{entry.name}")
    except FileNotFoundError:
        return False
    entry.parent.mkdir(parents=True, exist_ok=True)
    open_store(str(entry.parent)).write(entry.name, data)
    return True


def _keep_weights(lake: Store, entry: Path) -> None:
    """Stores weights that loading has found sound: a team fetches them from outside only once."""
    if not entry.is_file():
        return  # the cache could not be written
    path = f"{layout.WEIGHTS}/{entry.name}"
    with entry.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    # A copy in the lake that differs is damaged, or no better.
    if not lake.exists(path) or lake.digest(path) != digest:
        lake.upload(path, entry)
