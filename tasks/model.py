"""The model of a run in the lake: its card, and a vectorizer made from it on this machine.

The card is the authority for the model's files. A release names its model; one that was built again
from the same weights is still that model, though its files may have other digests by then.
"""

import hashlib
import logging
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tasks.errors import UserError
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake import layout
from tasks.lake.cache import local_file
from tasks.lake.papers import read_paper
from tasks.lake.releases import Releases
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.settings import Settings
from tasks.vectorizer.vectorizer import Vectorizer, load_vectorizer

logger = logging.getLogger(__name__)


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

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes vectors comparable, whatever bytes the model is stored in."""
        weights = self.weights.get("weights_sha256")
        return (
            self.id,
            self.backbone,
            self.dimensions,
            self.precision,
            self.preprocessing,
            weights,
        )


def find_card(lake: Store, model: str) -> ModelCard | None:
    """Returns the card of a model, or None if it is missing or makes no sense."""
    path = layout.model(model, layout.MODEL_CARD)
    try:
        return ModelCard.model_validate(read_paper(lake, path))
    except FileNotFoundError:
        return None
    except ValueError:
        logger.warning("%s is damaged", lake.uri(path))
        return None


def vectors_source(landing: str, card: ModelCard) -> str:
    """Returns what the vectors of a shard are sealed with: a digest of its images and the weights.

    A model that no release holds may be built again under its id from other weights.

    Args:
        landing: digest of the shard's landing report.
        card: of the model.
    """
    parts = f"{landing} {card.weights.get('weights_sha256')}"
    return hashlib.sha256(parts.encode()).hexdigest()


def read_model_card(lake: Store, model: str) -> ModelCard:
    """Returns the card of a model.

    Raises:
        UserError: the model has not been built.
    """
    card = find_card(lake, model)
    if card is None:
        raise UserError(f"there is no model {model} in the lake; run the task `build_model` first")
    return card


def find_sound_model(lake: Store, model: str) -> ModelCard | None:
    """Returns the card of a model that is whole, as far as sizes tell.

    Returns:
        None if the model is incomplete, somebody has found it damaged, or it is not the one that
        releases were made with: `build_model` has to make it.
    """
    card = find_card(lake, model)
    if card is None or lake.exists(layout.model(model, layout.DAMAGE)):
        return None
    made_with = model_of_releases(lake, model)
    if made_with and made_with.identity != card.identity:
        return None
    return card if all(map(lake.is_whole, card.artifacts.values())) else None


def model_of_releases(lake: Store, model: str) -> ModelCard | None:
    """Returns the card of a model as the newest release made with it has it, if there is one."""
    releases = Releases(lake).newest_first()
    found = (release.model for release in releases if release.model["id"] == model)
    return next(map(ModelCard.model_validate, found), None)


def card_of_release(lake: Store, pinned: dict[str, Any]) -> ModelCard:
    """Returns the card of the model that a release was made with, as the lake has it now.

    Args:
        lake: the data lake.
        pinned: the card in the manifest of the release; it serves where the lake's own is lost.

    Raises:
        DamagedError: what the lake has is another model.
    """
    own = ModelCard.model_validate(pinned)
    stored = find_card(lake, own.id) or own
    if stored.identity != own.identity:
        path = lake.uri(layout.model(own.id, layout.MODEL_CARD))
        raise DamagedError(
            f"{path} is damaged: it describes another model than that of the release"
        )
    return stored


def verify_model(lake: Store, card: ModelCard) -> None:
    """Compares the files of a model with its card; one that is damaged is marked.

    Raises:
        DamagedError: the model is damaged, or somebody has found it so before.
    """
    if lake.exists(layout.model(card.id, layout.DAMAGE)):
        raise DamagedError(f"the model {card.id} is damaged")
    try:
        for artifact in card.artifacts.values():
            lake.verify(artifact)
    except DamagedError as error:
        logger.warning("model %s is damaged: %s", card.id, error)
        note_model_damage(lake, card.id, [str(error)])
        raise


def note_model_damage(lake: Store, model: str, problems: list[str]) -> None:
    """Marks a model as damaged: the next reindex builds it again."""
    lake.write_json(layout.model(model, layout.DAMAGE), problems)


def clear_model_damage(lake: Store, model: str) -> None:
    """Takes the mark back: the model has turned out sound."""
    lake.delete(layout.model(model, layout.DAMAGE))


def discard_model(lake: Store, model: str) -> None:
    """Removes a model that turned out damaged: `build_model` will make it again.

    What is damaged goes before what tells of it: if this is cut short, the next one goes on.
    """
    forms = (layout.TF_VECTORIZER_MODEL, layout.ONNX_VECTORIZER_MODEL)
    for name in (*forms, layout.MODEL_CARD, layout.DAMAGE):
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
    path = local_file(lake, card.artifacts[name], settings.cache, settings.cache_bytes)
    return load_vectorizer(runtime, path, settings.threads or None)
