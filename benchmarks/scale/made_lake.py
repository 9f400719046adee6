"""A catalogue of tiny pictures of any size, and shards as if it had been embedded.

The pictures are names for a few files (hard links): a listing finds each. What `etl` and
`vectorize` leave of a shard is written by the product's own writers, without the pixels.
"""

import hashlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.made_vectors import made_vectors
from tasks.lake import layout
from tasks.lake.arrays import write_npy
from tasks.lake.catalogue import Image
from tasks.lake.lines import read_lines
from tasks.lake.papers import write_paper
from tasks.lake.seals import new_attempt, seal
from tasks.lake.store import Store
from tasks.landing import LandingReport, complete_landing
from tasks.model import ModelCard, read_model_card, vectors_source
from tasks.run_plan import RunPlan, model_id, preprocessing_of
from tasks.settings import Settings

Vectors = npt.NDArray[np.float32]

_FOLDER = 1000
# A file of ext4 has 65,000 names at most.
_NAMES_A_FILE = 10_000
_SIDE = 32


def made_name(row: int) -> str:
    """Returns the name of an image."""
    return f"{row // _FOLDER:06d}/{row:09d}.jpg"


def make_catalogue(root: Path, images: int) -> None:
    """Fills the folder of originals of a lake."""
    master = root / layout.MASTER
    rng = np.random.default_rng(0)
    for row in range(images):
        if row % _FOLDER == 0:
            (master / made_name(row)).parent.mkdir(parents=True, exist_ok=True)
        if row % _NAMES_A_FILE == 0:
            picture = root / "pictures" / f"{row}.jpg"
            _save_picture(picture, rng)
        os.link(picture, master / made_name(row))


def change_catalogue(root: Path, images: int, every: int) -> int:
    """Gives one in so many images other content; returns how many."""
    rng = np.random.default_rng(1)
    rows = range(0, images, every)
    for row in rows:
        picture = root / layout.MASTER / made_name(row)
        picture.unlink()  # its file has other names
        _save_picture(picture, rng)
    return len(rows)


def _save_picture(path: Path, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    path.write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


def make_model(lake: Store, settings: Settings, dimensions: int) -> None:
    """Stores the card of a model that has no files: nobody computes with it."""
    preprocessing = preprocessing_of(settings.pipeline)
    card = ModelCard(
        id=model_id(settings.pipeline, preprocessing),
        backbone=settings.pipeline.backbone,
        dimensions=dimensions,
        precision=settings.pipeline.precision,
        preprocessing=preprocessing,
        weights={"weights_sha256": "made"},
        cosine=1.0,
        artifacts={},
        software={},
    )
    write_paper(lake, layout.model(card.id, layout.MODEL_CARD), card.model_dump(mode="json"))


def make_shards(lake: Store, plan: RunPlan) -> None:
    """Leaves what the tasks before `publish` leave, with made vectors."""
    card = read_model_card(lake, plan.model)
    rows = itertools.chain.from_iterable(
        made_vectors(sum(shard.images for shard in plan.shards), card.dimensions)
    )
    for shard in plan.shards:
        members = list(read_lines(lake, shard.members, Image))
        vectors = np.stack(list(itertools.islice(rows, len(members))))
        landed = _land(lake, shard.shard, members)
        path = layout.shard_vectors(plan.model, shard.shard)
        artifact = write_npy(lake, new_attempt(path), vectors.shape, np.float32, [vectors])
        seal(lake, path, artifact, vectors_source(landed.digest, card))


def _land(lake: Store, shard: str, members: list[Image]) -> LandingReport:
    names = np.array([image.name for image in members])
    digests = np.array(list(map(_made_digest, members)))
    artifacts = [
        write_npy(lake, new_attempt(layout.landing(shard, name)), it.shape, it.dtype, [it])
        for name, it in ((layout.NPY_IMAGE_NAMES, names), (layout.NPY_IMAGE_DIGESTS, digests))
    ]
    report = LandingReport(shard=shard, images=len(members), rejected=[], artifacts=artifacts)
    return complete_landing(lake, report)


def _made_digest(image: Image) -> str:
    return hashlib.sha256(f"{image.name} {image.fingerprint}".encode()).hexdigest()


def made_images(images: int) -> Iterator[Image]:
    """Yields what `plan` would find of a catalogue of so many images, in order."""
    for row in range(images):
        yield Image(name=made_name(row), bytes=1500, fingerprint=f"stat:1500:{row}")
