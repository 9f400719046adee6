"""build_model: a Keras backbone -> vectorizer_model.keras and .onnx, proven equal."""

import importlib.metadata
import logging
import math
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Artifact, Store
from tasks.model import ModelCard, discard_model, open_vectorizer, read_model_card
from tasks.run_plan import RunPlan, read_plan
from tasks.settings import Settings
from tasks.vectorizer.backbones import get_backbone

_LEAST_COSINE = 0.99999

logger = logging.getLogger(__name__)


def build_model(lake: Store, run: str, settings: Settings) -> Summary:
    """Builds the model that the run has pinned, unless the lake has it.

    The forms are stored first, and then read back, compared and described: whatever two builders at
    the same time leave behind, the card describes what is there.

    Args:
        lake: the data lake.
        run: id of the run.
        settings: cache and threads of this machine.

    Raises:
        UserError: the weights cannot be had or are wrong, or the two forms of the network do not
            agree.
    """
    plan = read_plan(lake, run)
    card_path = layout.model(plan.model, layout.MODEL_CARD)
    with timed() as summary:
        summary["already_complete"] = _is_complete(lake, plan.model)
        if not summary["already_complete"]:
            card = _build(lake, plan, settings)
            lake.write(card_path, card.model_dump_json(indent=1).encode())
        card = read_model_card(lake, plan.model)
        summary |= {
            "model": card.id,
            "dimensions": card.dimensions,
            "weights": card.weights["source"],
            "cosine": card.cosine,
        }
    return summary


def _is_complete(lake: Store, model: str) -> bool:
    """Tells whether the lake has a model; one that was damaged is removed."""
    if not lake.exists(layout.model(model, layout.MODEL_CARD)):
        return False
    artifacts = read_model_card(lake, model).artifacts.values()
    if all(lake.is_whole(artifact) for artifact in artifacts):
        return True
    logger.warning("model %s is damaged; building it again", model)
    discard_model(lake, model)
    return False


def _build(lake: Store, plan: RunPlan, settings: Settings) -> ModelCard:
    from tasks.vectorizer.parity import parity, probe_images

    weights = _make_network(lake, plan, settings)
    backbone = get_backbone(plan.pipeline.backbone)
    artifacts = {
        name: Artifact(path, lake.stat(path).bytes, lake.digest(path))
        for name in (layout.TF_VECTORIZER_MODEL, layout.ONNX_VECTORIZER_MODEL)
        for path in [layout.model(plan.model, name)]
    }
    card = ModelCard(
        id=plan.model,
        backbone=backbone.name,
        dimensions=backbone.dimensions,
        precision=plan.pipeline.precision,
        preprocessing=plan.preprocessing,
        weights=weights,
        cosine=0.0,
        artifacts=artifacts,
        software={
            name: importlib.metadata.version(name) for name in ("keras", "onnxruntime", "numpy")
        },
    )
    logger.info("comparing the Keras and the ONNX form of the network")
    keras_form = open_vectorizer(lake, card, "keras", settings)
    onnx_form = open_vectorizer(lake, card, "onnx", settings)
    cosine = parity(keras_form, onnx_form, probe_images(backbone))
    if math.isnan(cosine) or cosine < _LEAST_COSINE:
        raise UserError(
            f"Keras and ONNX Runtime disagree on {plan.model} (cosine {cosine:.6f}, needed is "
            f"{_LEAST_COSINE}); do not use it, and report the versions in requirements/tasks.txt"
        )
    return card.model_copy(update={"cosine": cosine})


def _make_network(lake: Store, plan: RunPlan, settings: Settings) -> dict[str, str]:
    """Stores both forms of the trained network; returns where its weights came from."""
    from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
    from tasks.vectorizer.weights import load_weights

    backbone, pipeline = get_backbone(plan.pipeline.backbone), plan.pipeline
    network = build_network(backbone)
    cache = settings.cache.expanduser() / "weights"
    _exchange_weights(lake, cache, backbone.name, download=True)
    logger.info("loading the weights of %s", backbone.name)
    provenance = load_weights(
        network, backbone, pipeline.weights, pipeline.weights_sha256, cache=cache
    )
    _exchange_weights(lake, cache, backbone.name, download=False)
    _store_forms(lake, plan.model, feature_extractor(network, backbone))
    return asdict(provenance)


def _store_forms(lake: Store, model: str, extractor: Any) -> None:
    """Stores a Keras network as it is and for ONNX Runtime, each unless it is there."""
    from tasks.vectorizer.export import export_onnx

    with tempfile.TemporaryDirectory() as folder:
        keras_file = Path(folder) / layout.TF_VECTORIZER_MODEL
        onnx_file = Path(folder) / layout.ONNX_VECTORIZER_MODEL
        extractor.save(keras_file)
        export_onnx(extractor, onnx_file)
        for file in (keras_file, onnx_file):
            lake.create(layout.model(model, file.name), file.read_bytes())


def _exchange_weights(lake: Store, cache: Path, backbone: str, *, download: bool) -> None:
    """Copies weights that one side lacks: a team fetches them from outside only once."""
    cache.mkdir(parents=True, exist_ok=True)
    names = ((Path(item.path).name, item.bytes) for item in lake.objects(layout.WEIGHTS))
    stored = {name: size for name, size in names if name.startswith(f"{backbone}-")}
    here = {file.name: file.stat().st_size for file in cache.glob(f"{backbone}-*.npz")}
    if download:
        local = open_store(str(cache))
        for name in stored.keys() - here.keys():
            local.write(name, lake.read(f"{layout.WEIGHTS}/{name}"))
    else:
        # Loading has checked what is here; a copy of another size in the lake is damaged.
        for name, _ in here.items() - stored.items():
            lake.upload(f"{layout.WEIGHTS}/{name}", cache / name)
