"""A network in lower precision: made where it has a form of its own, and compared with float32."""

import logging
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from tasks.calibration import sample_pictures
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.store import Artifact, Store
from tasks.model import (
    LowPrecision,
    ModelCard,
    discard_model,
    local_form,
    model_of_releases,
    usual_runtime,
)
from tasks.model_vectorizer import open_vectorizer
from tasks.run_plan import RunPlan
from tasks.settings import Settings
from tasks.vectorizer.parity import cosines
from tasks.vectorizer.vectorizer import Vectorizer

# What must come near float32, and how near: all pictures together, or each.
_BARS: dict[str, tuple[Literal["mean_cosine", "lowest_cosine"], float]] = {
    "int8": ("mean_cosine", 0.995),
    "bfloat16": ("lowest_cosine", 0.998),
}
# One in so many pictures is not calibrated on but compared with.
_HELD_OUT = 6

logger = logging.getLogger(__name__)


def add_low_precision(
    lake: Store, plan: RunPlan, card: ModelCard, reference: Vectorizer, settings: Settings
) -> tuple[ModelCard, Vectorizer]:
    """Compares a network in the precision of its card with float32; int8 has a form to be made.

    Args:
        lake: the data lake.
        plan: of the run.
        card: of the model, with its float32 forms.
        reference: the float32 form.
        settings: cache and threads of this machine.

    Returns:
        The card with its parity, and with its form in int8; a vectorizer in that precision.

    Raises:
        UserError: the catalogue has too few pictures, this machine cannot compute in the precision,
            it is too far from float32, or the int8 form is not the one that releases were made
            with.
    """
    pictures = sample_pictures(lake, plan)
    if card.precision == "int8":
        held_out = np.arange(len(pictures)) % _HELD_OUT == 0
        card = _with_int8_form(lake, card, pictures[~held_out], settings)
        pictures = pictures[held_out]
    vectorizer = open_vectorizer(lake, card, usual_runtime(card), settings, probed=False)
    logger.info("comparing %s with float32 on %d pictures", card.precision, len(pictures))
    found = _parity(reference, vectorizer, pictures)
    _require_near(lake, card, found)
    return card.model_copy(update={"low_precision": found}), vectorizer


def _with_int8_form(
    lake: Store, card: ModelCard, pictures: npt.NDArray[np.float32], settings: Settings
) -> ModelCard:
    """Makes the int8 form of a network, unless the lake has it."""
    path = layout.model(card.id, layout.ONNX_INT8_MODEL)
    if not lake.exists(path):
        logger.info("calibrating int8 on %d pictures", len(pictures))
        lake.create(path, _quantized(lake, card, pictures, settings))
    form = Artifact(path, lake.stat(path).bytes, lake.digest(path))
    _require_same_network(lake, card, form)
    return card.model_copy(update={"artifacts": {**card.artifacts, layout.ONNX_INT8_MODEL: form}})


def _require_near(lake: Store, card: ModelCard, found: LowPrecision) -> None:
    figure, least = _BARS[card.precision]
    if getattr(found, figure) >= least:
        return
    discard_model(lake, card.id)
    calibration = ", or calibration to another number, which calibrates on other pictures"
    raise UserError(
        f"{card.precision} is too far from float32 for {card.backbone} ({figure.replace('_', ' ')} "
        f"{getattr(found, figure):.4f} over {found.images} pictures, needed is {least}); set "
        f"precision to float32{calibration if card.precision == 'int8' else ''}"
    )


def _quantized(
    lake: Store, card: ModelCard, pictures: npt.NDArray[np.float32], settings: Settings
) -> bytes:
    from tasks.vectorizer.int8 import quantize

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / layout.ONNX_INT8_MODEL
        quantize(local_form(lake, card.in_float32, "onnx", settings), target, pictures)
        return target.read_bytes()


def _require_same_network(lake: Store, card: ModelCard, form: Artifact) -> None:
    """Makes sure that a model that is built again stays comparable with its vectors.

    The same pictures calibrate to the same bytes on the same kind of machine alone.
    """
    made_with = model_of_releases(lake, card.id)
    if made_with and made_with.network_sha256 != form.sha256:
        discard_model(lake, card.id)
        raise UserError(
            f"the int8 form of {card.id} cannot be made again as releases have it, since the "
            "catalogue, the machine or this software is another; set calibration to another "
            "number, which makes another model and embeds all images again"
        )


def _parity(a: Vectorizer, b: Vectorizer, pictures: npt.NDArray[np.float32]) -> LowPrecision:
    found = cosines(a.transform(pictures), b.transform(pictures))
    return LowPrecision(
        mean_cosine=float(found.mean()), lowest_cosine=float(found.min()), images=len(pictures)
    )
