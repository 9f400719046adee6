"""vectorize: feature_engineered.npy -> embedded_image_vectors.npy, one vector an image."""

import numpy as np

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.arrays import npy_shape, read_npy_batches, write_npy
from tasks.lake.seals import break_seal, seal, sealed
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.model import discard_model, open_vectorizer, read_model_card
from tasks.progress import track
from tasks.run_plan import RunPlan, read_plan
from tasks.settings import Settings

_BATCH = 32


def vectorize(lake: Store, run: str, shard: str, settings: Settings) -> Summary:
    """Embeds the images of a shard with the model of the run.

    Args:
        lake: the data lake.
        run: id of the run; `build_model` has completed.
        shard: id of the shard; `feature_engineering` has completed it.
        settings: threads and cache of this machine; everything else is in the plan.

    Returns:
        How many images there are.

    Raises:
        UserError: the model of the run has not been built, or the shard has no features.
        DamagedError: the features or the model are damaged. They do not count any longer.
    """
    plan = read_plan(lake, run)
    source, target = layout.features(shard), layout.shard_vectors(plan.model, shard)
    with timed() as summary:
        summary |= {"shard": shard, "already_complete": sealed(lake, target) is not None}
        if not summary["already_complete"]:
            features = sealed(lake, source)
            if features is None:
                raise UserError(
                    f"shard {shard} has no features; clear its task feature_engineering"
                )
            _embed(lake, plan, settings, features, target)
        summary["images"] = npy_shape(lake, target)[0]
    return summary


def _embed(lake: Store, plan: RunPlan, settings: Settings, features: Artifact, target: str) -> None:
    card = read_model_card(lake, plan.model)
    try:
        vectorizer = open_vectorizer(lake, card, plan.pipeline.runtime, settings)
    except DamagedError:
        discard_model(lake, plan.model)
        raise
    images = npy_shape(lake, features.path)[0]
    vectors = (vectorizer.transform(batch) for batch in read_npy_batches(lake, features, _BATCH))
    tracked = track(vectors, images, "embedding images", len)
    try:
        artifact = write_npy(lake, target, (images, card.dimensions), np.float32, tracked)
    except DamagedError:
        break_seal(lake, features.path)
        raise
    seal(lake, artifact)
