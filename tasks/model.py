"""The model of a run in the lake: its card and its files. Loads nothing that computes.

The card is the authority for the model's files. A release names its model; one that was built again
from the same weights is still that model, though its files may have other digests by then.
"""

import hashlib
import logging
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from tasks.errors import UserError
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake import layout
from tasks.lake.cache import local_files
from tasks.lake.papers import read_paper
from tasks.lake.releases import Releases
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.settings import Settings
from tasks.vectorizer.runtimes import RUNTIMES, Runtime

# The mark of damage goes last.
_PAPERS = (*layout.MODEL_PROBE, layout.MODEL_CARD, layout.DAMAGE)
# Another machine's rounding stays above; saturation in one layer falls below.
_PROBE_COSINE = 0.999

logger = logging.getLogger(__name__)


class LowPrecision(BaseModel):
    """How near a form of lower precision is to float32, on pictures it was not calibrated on.

    Attributes:
        mean_cosine: between the vectors of the two.
        lowest_cosine: of any picture.
        images: how many pictures.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean_cosine: float
    lowest_cosine: float
    images: int


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
        low_precision: parity of the form that computes, if that is not float32.
        probe_cosine: least cosine that a machine must reach on the probe, see `model_probe`.
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
    low_precision: LowPrecision | None = None
    probe_cosine: float = _PROBE_COSINE

    @property
    def network_sha256(self) -> str:
        """Digest of the bytes that make vectors comparable; empty where the weights alone do.

        What was calibrated depends on pictures and on the machine as well.
        """
        form = self.artifacts.get(layout.ONNX_INT8_MODEL)
        return form.sha256 if form else ""

    @property
    def in_float32(self) -> Self:
        """The same model, computed by its float32 form."""
        return self.model_copy(update={"precision": "float32"})

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
            self.network_sha256,
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
    parts = f"{landing} {card.weights.get('weights_sha256')} {card.network_sha256}".rstrip()
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
    for name in (*layout.MODEL_FORMS, layout.ONNX_INT8_MODEL, *_PAPERS):
        lake.delete(layout.model(model, name))


def usual_runtime(card: ModelCard) -> Runtime:
    """Returns what computes a model where no runtime is asked for; searches never ask."""
    return RUNTIMES[card.precision][0]


def local_form(lake: Store, card: ModelCard, runtime: Runtime, settings: Settings) -> Path:
    """Returns a local file of the form of a model that a runtime computes with.

    Raises:
        DamagedError: the stored model is not what its card says.
    """
    keras_form, *onnx_form = layout.MODEL_FORMS
    if runtime == "keras":
        names = [keras_form]
    else:
        names = [layout.ONNX_INT8_MODEL] if card.precision == "int8" else onnx_form
    artifacts = [card.artifacts[name] for name in names if name in card.artifacts]
    path, *_ = local_files(lake, artifacts, settings.cache, settings.cache_bytes)
    return path


class SoundForm(NamedTuple):
    """A model and the file to compute it from, which is what the card says."""

    card: ModelCard
    path: Path


def release_form(lake: Store, pinned: dict[str, Any], settings: Settings) -> SoundForm:
    """Returns what a search in a release computes with.

    Args:
        lake: the data lake.
        pinned: the model's card in the manifest of the release.
        settings: cache of this machine.

    Raises:
        DamagedError: the stored model is not what its card says, or another one.
    """
    card = card_of_release(lake, pinned)
    return SoundForm(card, local_form(lake, card, usual_runtime(card), settings))
