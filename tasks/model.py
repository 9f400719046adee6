"""The model of a run in the lake: its card, and a vectorizer made from it on this machine."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tasks.errors import UserError
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake import layout
from tasks.lake.cache import local_file
from tasks.lake.store import Artifact, Store
from tasks.settings import Settings
from tasks.vectorizer.vectorizer import Vectorizer, load_vectorizer


class ModelCard(BaseModel):
    """What a model is, where its weights came from, and how its two forms compare. Written last.

    Attributes:
        id: of the model, see `run_plan.model_id`.
        backbone: name in `keras.applications`.
        dimensions: length of a vector.
        precision: of the arithmetic.
        preprocessing: what its input must have gone through.
        weights: where the weights came from, and their digests.
        cosine: lowest cosine between the vectors of the Keras and the ONNX form on the same images.
        artifacts: the stored forms of the network, by name.
        software: versions that built it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    backbone: str
    dimensions: int
    precision: str
    preprocessing: Preprocessing
    weights: dict[str, Any]
    cosine: float
    artifacts: dict[str, Artifact]
    software: dict[str, str]


def read_model_card(lake: Store, model: str) -> ModelCard:
    """Returns the card of a model.

    Raises:
        UserError: the model has not been built.
    """
    path = layout.model(model, layout.MODEL_CARD)
    try:
        return ModelCard.model_validate_json(lake.read(path))
    except FileNotFoundError as error:
        raise UserError(
            f"there is no model {model} in the lake; run the task `build_model` first"
        ) from error


def discard_model(lake: Store, model: str) -> None:
    """Removes a model that turned out damaged: `build_model` will make it again."""
    for name in (layout.MODEL_CARD, layout.TF_VECTORIZER_MODEL, layout.ONNX_VECTORIZER_MODEL):
        lake.delete(layout.model(model, name))


def open_vectorizer(
    lake: Store, card: ModelCard, runtime: Literal["onnx", "keras"], settings: Settings
) -> Vectorizer:
    """Loads a model from the lake.

    Args:
        lake: the data lake.
        card: of the model.
        runtime: what computes it.
        settings: threads and cache of this machine.

    Raises:
        DamagedError: the stored model is not what its card says.
    """
    name = layout.ONNX_VECTORIZER_MODEL if runtime == "onnx" else layout.TF_VECTORIZER_MODEL
    path = local_file(lake, card.artifacts[name], settings.cache)
    return load_vectorizer(runtime, path, settings.threads or None)
