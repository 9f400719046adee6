"""build_model: a Keras backbone -> vectorizer_model.keras and .onnx, proven equal."""

import hashlib
import importlib.metadata
import logging
import math
import tempfile
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.papers import write_paper
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.model import (
    ModelCard,
    clear_model_damage,
    discard_model,
    find_sound_model,
    model_of_releases,
    open_vectorizer,
    read_model_card,
    verify_model,
)
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
        UserError: the weights cannot be had, are wrong or are not those that releases were made
            with, or the two forms of the network do not agree.
    """
    plan = read_plan(lake, run)
    card_path = layout.model(plan.model, layout.MODEL_CARD)
    with timed() as summary:
        summary["already_complete"] = _is_complete(lake, plan.model)
        if not summary["already_complete"]:
            card = _build(lake, plan, settings)
            write_paper(lake, card_path, card.model_dump(mode="json"))
            clear_model_damage(lake, plan.model)  # somebody may have looked meanwhile
        card = read_model_card(lake, plan.model)
        summary |= {
            "model": card.id,
            "dimensions": card.dimensions,
            "weights": card.weights["source"],
            "cosine": card.cosine,
        }
    return summary


def _is_complete(lake: Store, model: str) -> bool:
    """Tells whether the lake has a model, every byte of it; one that is damaged is removed."""
    papers = (layout.model(model, name) for name in (layout.MODEL_CARD, layout.DAMAGE))
    if not any(map(lake.exists, papers)):
        return False  # a build that died may have left a form, which the next one can use
    card = find_sound_model(lake, model)
    if card:
        try:
            verify_model(lake, card)
        except DamagedError:
            pass
        else:
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
        discard_model(lake, plan.model)  # one of them may be an old one that was damaged
        raise UserError(
            f"Keras and ONNX Runtime disagree on {plan.model} (cosine {cosine:.6f}, needed is "
            f"{_LEAST_COSINE}); do not use it, and report the versions in requirements/tasks.txt"
        )
    return card.model_copy(update={"cosine": cosine})


def _make_network(lake: Store, plan: RunPlan, settings: Settings) -> dict[str, str]:
    """Stores both forms of the trained network; returns where its weights came from."""
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
    _store_forms(lake, plan.model, feature_extractor(network, backbone))
    return asdict(provenance)


def _require_same_weights(lake: Store, model: str, weights_sha256: str) -> None:
    """Makes sure that a model that is built again stays comparable with its vectors."""
    made_with = model_of_releases(lake, model)
    if made_with and made_with.weights.get("weights_sha256") != weights_sha256:
        raise UserError(
            f"the weights are not those that releases with the model {model} were made with; put "
            "those back, or set weights_sha256 or another URI, which makes another model"
        )


def _store_forms(lake: Store, model: str, extractor: Any) -> None:
    """Stores a Keras network as it is and for ONNX Runtime, each unless it is there."""
    from tasks.vectorizer.export import export_onnx, save_keras

    with tempfile.TemporaryDirectory() as folder:
        keras_file = Path(folder) / layout.TF_VECTORIZER_MODEL
        onnx_file = Path(folder) / layout.ONNX_VECTORIZER_MODEL
        save_keras(extractor, keras_file)
        export_onnx(extractor, onnx_file)
        for file in (keras_file, onnx_file):
            lake.create(layout.model(model, file.name), file.read_bytes())


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
