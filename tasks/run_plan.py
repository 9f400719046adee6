"""`RunPlan`: what one run has pinned. `plan` writes it, every other task reads it."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, ConfigDict

from tasks.errors import UserError
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake import layout
from tasks.lake.catalogue import Changes, Image
from tasks.lake.manifest import Manifest
from tasks.lake.open_store import open_store
from tasks.lake.papers import read_paper
from tasks.lake.store import Artifact, Store
from tasks.settings import LimitSettings, PipelineSettings
from tasks.vectorizer.backbones import get_backbone
from tasks.vectorizer.network_file import network_sha256


class Shard(BaseModel):
    """A part of a run's images that is worked on as one; also what Airflow maps its tasks over.

    Attributes:
        shard: id of the shard.
        images: how many it has.
        members: the list of them, one line each, ordered by name.
    """

    model_config = ConfigDict(frozen=True)

    shard: str
    images: int
    members: Artifact


class RunPlan(BaseModel):
    """What one run has pinned.

    Attributes:
        run: id of the run.
        base: version of the release that the changes are against, None if there was none.
        catalogue: URI of the folder of original images; empty for the lake's own.
        prefix: only names that start so were looked at; the others stay as the latest release has
            them.
        full_rebuild: every image found is worked on, whether it changed or not.
        look: number of the run's look at the catalogue; a later look has a higher one.
        pipeline: settings of the run.
        limits: what an image may cost.
        preprocessing: how a picture becomes the network's input.
        model: id of the model, see `model_id`.
        listing: the images that were found, one line each, ordered by name; None if there is
            nothing to do.
        changes: what was found.
        shards: the work.
        model_to_build: whether the lake lacked the model, or it had been found damaged.
        remade: though no image changed, there is a release to make: the one that the changes are
            against has other settings, or a later one was damaged.
        held: the release that the changes are against is held back from search: `evaluate` judges
            it, again if it has done so, even if there is no other to make.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    base: int | None
    catalogue: str
    prefix: str
    full_rebuild: bool
    look: int
    pipeline: PipelineSettings
    limits: LimitSettings
    preprocessing: Preprocessing
    model: str
    listing: Artifact | None
    changes: Changes
    shards: list[Shard]
    model_to_build: bool = False
    remade: bool = False
    held: bool = False

    def members(self, shard: str) -> Artifact:
        """Returns the list of a shard's images.

        Raises:
            UserError: the run has no such shard.
        """
        for part in self.shards:
            if part.shard == shard:
                return part.members
        raise UserError(f"run {self.run} has no shard {shard}; the task `plan` says which it has")

    @property
    def anything_to_do(self) -> bool:
        """Tells whether the run has a release to make or to judge, or its model to make."""
        return self.changes_release or self.model_to_build or self.held

    @property
    def changes_release(self) -> bool:
        """Tells whether the run has a release to make."""
        return bool(self.shards) or self.changes.anything or self.remade

    def agrees_with(self, release: Manifest) -> bool:
        """Tells whether images of a release may stand beside those of this run."""
        return settings_in_common(release, self.model, self.limits, self.catalogue)


def settings_in_common(
    release: Manifest, model: str, limits: LimitSettings, catalogue: str
) -> bool:
    """Tells whether a release was made with this model and these limits, from this catalogue."""
    ours = (model, limits.model_dump(), catalogue)
    return ours == (release.model["id"], release.limits, release.catalogue)


def read_plan(lake: Store, run: str) -> RunPlan:
    """Returns the plan of a run.

    Raises:
        UserError: the run has not been planned, or its plan is damaged.
    """
    path = layout.plan(run)
    try:
        return RunPlan.model_validate(read_paper(lake, path))
    except FileNotFoundError as error:
        raise UserError(
            f"run {run} has no plan ({lake.uri(path)}); run the task `plan` first"
        ) from error
    except ValueError as error:
        raise UserError(f"the plan {lake.uri(path)} is damaged; start a new run") from error


def open_catalogue(lake: Store, catalogue: str) -> Store:
    """Opens the original images that a plan or a manifest names.

    The lake's own are named by nothing, so that a lake which is moved or copied stays whole.

    Raises:
        UserError: the catalogue does not exist.
    """
    return open_store(catalogue or lake.uri(layout.MASTER), confined=True)


def require_lake_outside(lake: Store, catalogue: str) -> None:
    """Makes sure that a catalogue does not hold the lake.

    Raises:
        UserError: it does: pictures of the lake's own would be indexed, more of them by each run.
    """
    if _place(lake).is_relative_to(_place(open_catalogue(lake, catalogue))):
        raise UserError(
            f"the catalogue {catalogue} holds the lake {lake}, whose own files would be indexed; "
            "give a folder beside the lake, or leave the setting `catalogue` empty for its master/"
        )


def _place(store: Store) -> PurePath:
    folder = store.local_path("")
    return folder.resolve() if folder else PurePath(store.uri(""))


def preprocessing_of(pipeline: PipelineSettings) -> Preprocessing:
    """Returns how pictures are prepared for the network that the settings name."""
    network = pipeline.network if pipeline.network.file else get_backbone(pipeline.backbone)
    return Preprocessing(
        height=network.height,
        width=network.width,
        resize=pipeline.resize,
        interpolation=pipeline.interpolation,
        mode=network.preprocessing,
    )


def pin_network(pipeline: PipelineSettings) -> PipelineSettings:
    """Returns settings that tell the digest of the network's file: another file, another model.

    Raises:
        UserError: the file cannot be read.
    """
    network = pipeline.network
    if not network.file or network.sha256:
        return pipeline
    pinned = network.model_copy(update={"sha256": network_sha256(network.file)})
    return pipeline.model_copy(update={"network": pinned})


def model_id(pipeline: PipelineSettings, preprocessing: Preprocessing) -> str:
    """Returns the id of a model: one for each network, weights, precision and preprocessing.

    Args:
        pipeline: settings as `pin_network` returns them.
        preprocessing: of the model.
    """
    parts: dict[str, Any] = {
        "precision": pipeline.precision,
        "preprocessing": preprocessing.model_dump(),
    }
    if pipeline.precision == "int8":
        parts["calibration"] = pipeline.calibration
    if pipeline.network.file:
        name = pipeline.network.name
        parts["network"] = pipeline.network.model_dump(exclude={"file"})
    else:
        name = pipeline.backbone
        parts |= {
            "backbone": pipeline.backbone,
            "weights": pipeline.weights,
            "weights_sha256": pipeline.weights_sha256,
        }
    return f"{name.lower()}-{_digest([json.dumps(parts, sort_keys=True)])[:12]}"


def shard_id(
    images: Iterable[Image], preprocessing: Preprocessing, limits: LimitSettings, salt: str
) -> str:
    """Returns the id of a shard: the same images prepared in the same way have the same id.

    Args:
        images: the members, in order.
        preprocessing: how they are prepared.
        limits: which of them are refused.
        salt: anything, to tell a shard from one that the lake has; empty to share it.
    """
    parts = [preprocessing.model_dump_json(), limits.model_dump_json(), salt]
    parts += [json.dumps([image.name, image.fingerprint]) for image in images]
    return _digest(parts)[:20]


def _digest(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() + b"\n")
    return digest.hexdigest()
