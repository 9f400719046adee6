"""What the tests of the tasks share: small photographs, and a reindex in one process."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import skimage
from PIL import Image

from tasks.build_model import build_model
from tasks.contract import Summary
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.arrays import write_npy
from tasks.lake.seals import new_attempt, read_seal, seal
from tasks.lake.store import Store
from tasks.landing import read_landing
from tasks.model import read_model_card, vectors_source
from tasks.plan import plan
from tasks.publish import publish
from tasks.settings import RetentionSettings, Settings
from tasks.vectorize import vectorize

REPOSITORY = Path(__file__).parents[2]
PHOTOS = Path(skimage.__file__).parent / "data"
# Shared by all tests and the demo, so that the weights are fetched once.
CACHE = REPOSITORY / "var" / "cache"

NOTHING_STAYS = RetentionSettings(
    releases=1,
    superseded_days=0,
    feature_store_days=0,
    landing_days=0,
    runs_days=0,
    abandoned_days=0,
)


def save_photo(path: Path, photo: str = "chelsea", view: int = 0) -> None:
    """Saves a small view of a photograph; equal arguments give equal bytes."""
    rng = np.random.default_rng(view)
    image = Image.open(next(PHOTOS.glob(f"{photo}.*"))).convert("RGB")
    left, top = (int(rng.integers(0, side // 3)) for side in image.size)
    box = (left, top, left + image.width * 2 // 3, top + image.height * 2 // 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.crop(box).resize((160, 120)).save(path, quality=90)


def settings_for_tests(**overrides: Any) -> Settings:
    """Returns settings that take nothing from the environment of whoever runs the tests."""
    return Settings.model_validate({"cache": CACHE, **overrides})


def attempt(lake: Store, path: str) -> str:
    """Returns where the attempt lies that counts as the artifact of a shard at `path`."""
    zone, shard, *_, name = path.split("/")
    if zone == layout.LANDING:
        report = read_landing(lake, shard)
        assert report
        return report.artifact(name).path
    found = read_seal(lake, path)
    assert found
    return found.artifact.path


def reindex(lake: Store, run: str, settings: Settings | None = None, **options: Any) -> Summary:
    """Runs the tasks as the DAG does, and returns the summary of `publish`."""
    planned = reindex_up_to_publish(lake, run, settings, **options)
    return publish(lake, run) if planned["anything_to_do"] else planned


def reindex_up_to_publish(
    lake: Store, run: str, settings: Settings | None = None, **options: Any
) -> Summary:
    """Runs all tasks but the one that makes the work visible; returns the summary of `plan`."""
    settings = settings or settings_for_tests()
    planned = plan(lake, run, settings, **options)
    if not planned["anything_to_do"]:
        return planned
    build_model(lake, run, settings)
    for shard in planned["shards"]:
        etl(lake, run, shard["shard"])
        feature_engineering(lake, run, shard["shard"])
        vectorize(lake, run, shard["shard"], settings)
    return planned


def embed_new(lake: Store, run: str, settings: Settings) -> str:
    """Runs the tasks up to `vectorize` for what is new, one shard; returns its id."""
    (part,) = plan(lake, run, settings)["shards"]
    shard = str(part["shard"])
    etl(lake, run, shard)
    feature_engineering(lake, run, shard)
    vectorize(lake, run, shard, settings)
    return shard


def seal_vectors(lake: Store, model: str, shard: str, vectors: npt.NDArray[np.float32]) -> None:
    """Completes a landed shard with these vectors (n, d), whatever the model would have made."""
    landed = read_landing(lake, shard)
    assert landed
    path = layout.shard_vectors(model, shard)
    artifact = write_npy(lake, new_attempt(path), vectors.shape, np.float32, [vectors])
    seal(lake, path, artifact, vectors_source(landed.digest, read_model_card(lake, model)))
