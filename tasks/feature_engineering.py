"""feature_engineering: resized_rgb.npy -> feature_engineered.npy, the network's input."""

import numpy as np

from tasks.contract import Summary, timed
from tasks.imaging.network_input import preprocess_input
from tasks.lake import layout
from tasks.lake.arrays import read_npy_batches, write_npy
from tasks.lake.seals import new_attempt, refresh_seal, seal, sealed
from tasks.lake.store import DamagedError, Store
from tasks.landing import LandingReport, discard_landing, require_landing
from tasks.model import find_card, vectors_source
from tasks.progress import track
from tasks.run_plan import RunPlan, read_plan

# What is made of so many is still in the processor's cache when it is hashed and written.
_BATCH = 8


def feature_engineering(lake: Store, run: str, shard: str) -> Summary:
    """Preprocesses the resized images of a shard exactly as Keras does for the backbone.

    Args:
        lake: the data lake.
        run: id of the run.
        shard: id of the shard; `etl` has completed it.

    Returns:
        How many images there are.

    Raises:
        UserError: the shard has not landed.
        DamagedError: the resized images are damaged. They do not count any longer.
    """
    plan = read_plan(lake, run)
    landed = require_landing(lake, shard)
    # Once the vectors are there, nobody needs the features, and they may have been pruned.
    card = find_card(lake, plan.model)
    wanted_no_more = card and sealed(
        lake, layout.shard_vectors(plan.model, shard), vectors_source(landed.digest, card)
    )
    with timed() as summary:
        features = wanted_no_more or sealed(lake, layout.features(shard), landed.digest)
        complete = features is not None
        summary |= {"shard": shard, "already_complete": complete, "images": landed.images}
        if not complete:
            try:
                _preprocess(lake, landed, plan)
            except DamagedError:
                discard_landing(lake, shard)
                raise
        elif wanted_no_more:
            refresh_seal(lake, layout.shard_vectors(plan.model, shard))
        else:
            refresh_seal(lake, layout.features(shard))
    return summary


def _preprocess(lake: Store, landed: LandingReport, plan: RunPlan) -> None:
    resized, target = landed.artifact(layout.NPY_RESIZED_RGB), layout.features(landed.shard)
    shape = (landed.images, *plan.preprocessing.shape)
    pixels = read_npy_batches(lake, resized, _BATCH, shape=shape, dtype=np.uint8)
    batches = (preprocess_input(rgb, plan.preprocessing.mode) for rgb in pixels)
    tracked = track(batches, landed.images, "preprocessing images", len)
    artifact = write_npy(lake, new_attempt(target), shape, np.float32, tracked)
    seal(lake, target, artifact, landed.digest)
