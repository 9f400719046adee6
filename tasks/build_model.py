"""build_model: a network -> vectorizer_model.keras and .onnx, proven equal."""

import importlib.metadata
import logging
import math
import tempfile
from pathlib import Path

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.papers import write_paper
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.low_precision import add_low_precision
from tasks.model import (
    ModelCard,
    clear_model_damage,
    discard_model,
    find_sound_model,
    read_model_card,
    verify_model,
)
from tasks.model_forms import store_forms
from tasks.model_probe import store_probe
from tasks.model_vectorizer import open_vectorizer
from tasks.run_plan import RunPlan, read_plan
from tasks.settings import Settings

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
        UserError: the network or its weights cannot be had, are wrong or are not those that
            releases were made with, or the forms of the network do not agree.
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
            **(card.low_precision.model_dump() if card.low_precision else {}),
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

    with tempfile.TemporaryDirectory() as folder:
        origin = store_forms(lake, plan, settings, Path(folder))
        artifacts = {
            name: Artifact(path, lake.stat(path).bytes, lake.digest(path))
            for name in layout.MODEL_FORMS
            for path in [layout.model(plan.model, name)]
            # A small network has its weights in its one file; one given as ONNX has no Keras form.
            if lake.exists(path)
        }
        card = ModelCard(
            id=plan.model,
            backbone=origin.name,
            dimensions=1,
            precision=plan.pipeline.precision,
            preprocessing=plan.preprocessing,
            weights=origin.weights,
            cosine=0.0,
            artifacts=artifacts,
            software=_software(plan.pipeline.precision),
        )
        logger.info("comparing the forms of the network")
        onnx_form = open_vectorizer(lake, card.in_float32, "onnx", settings)
        reference = origin.reference or open_vectorizer(lake, card.in_float32, "keras", settings)
        cosine = parity(reference, onnx_form, probe_images(plan.preprocessing))
    _require_agreement(lake, plan.model, cosine)
    card = card.model_copy(update={"cosine": cosine, "dimensions": onnx_form.dimensions})
    if card.precision != "float32":
        card, vectorizer = add_low_precision(lake, plan, card, onnx_form, settings)
        probe = store_probe(lake, plan.model, vectorizer, plan.preprocessing)
        card = card.model_copy(update={"artifacts": card.artifacts | probe})
    return card


def _software(precision: str) -> dict[str, str]:
    names = ["keras", "onnxruntime", "numpy", *(["openvino"] if precision == "bfloat16" else [])]
    return {name: importlib.metadata.version(name) for name in names}


def _require_agreement(lake: Store, model: str, cosine: float) -> None:
    if cosine >= _LEAST_COSINE:
        return
    discard_model(lake, model)  # one of the forms may be an old one that was damaged
    if math.isnan(cosine):
        raise UserError(
            f"{model} makes vectors of ordinary images that are not finite, or all zeros; check "
            "its weights, and the scale, mean and std of [pipeline.network]"
        )
    raise UserError(
        f"the forms of {model} disagree (cosine {cosine:.6f}, needed is {_LEAST_COSINE}); do not "
        "use it, and report the versions in requirements/tasks.txt"
    )
