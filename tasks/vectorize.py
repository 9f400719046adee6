"""vectorize: feature_engineered.npy -> embedded_image_vectors.npy, one vector an image."""

import numpy as np

from tasks.contract import Summary, timed
from tasks.lake import layout
from tasks.lake.arrays import npy_is_whole, npy_shape, read_npy_batches, write_npy
from tasks.lake.store import Store
from tasks.model import open_vectorizer, read_model_card
from tasks.progress import track
from tasks.run_plan import read_plan
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
        UserError: the model of the run has not been built.
    """
    plan = read_plan(lake, run)
    source, target = layout.features(shard), layout.shard_vectors(plan.model, shard)
    with timed() as summary:
        summary |= {"shard": shard, "already_complete": npy_is_whole(lake, target)}
        if not summary["already_complete"]:
            card = read_model_card(lake, plan.model)
            vectorizer = open_vectorizer(lake, card, plan.pipeline.runtime, settings)
            images = npy_shape(lake, source)[0]
            vectors = (
                vectorizer.transform(batch) for batch in read_npy_batches(lake, source, _BATCH)
            )
            tracked = track(vectors, images, "embedding images", len)
            write_npy(lake, target, (images, card.dimensions), np.float32, tracked)
        summary["images"] = npy_shape(lake, target)[0]
    return summary
