"""feature_engineering: resized_rgb.npy -> feature_engineered.npy, the network's input."""

import numpy as np

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.imaging.preprocessing import preprocess_input
from tasks.lake import layout
from tasks.lake.arrays import npy_shape, read_npy_batches, write_npy
from tasks.lake.seals import seal, sealed
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.landing import discard_landing, read_landing
from tasks.progress import track
from tasks.run_plan import RunPlan, read_plan

_BATCH = 64


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
    landed = read_landing(lake, shard)
    if landed is None:
        raise UserError(f"shard {shard} has not landed; clear its task etl")
    # Once the vectors are there, nobody needs the features, and they may have been pruned.
    wanted_no_more = sealed(lake, layout.shard_vectors(plan.model, shard)) is not None
    with timed() as summary:
        complete = wanted_no_more or sealed(lake, layout.features(shard)) is not None
        summary |= {"shard": shard, "already_complete": complete, "images": landed.images}
        if not complete:
            try:
                _preprocess(lake, shard, landed.artifact(layout.NPY_RESIZED_RGB), plan)
            except DamagedError:
                discard_landing(lake, shard)
                raise
    return summary


def _preprocess(lake: Store, shard: str, resized: Artifact, plan: RunPlan) -> None:
    mode, shape = plan.preprocessing.mode, npy_shape(lake, resized.path)
    batches = (preprocess_input(rgb, mode) for rgb in read_npy_batches(lake, resized, _BATCH))
    tracked = track(batches, shape[0], "preprocessing images", len)
    seal(lake, write_npy(lake, layout.features(shard), shape, np.float32, tracked))
