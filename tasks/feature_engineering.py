"""feature_engineering: resized_rgb.npy -> feature_engineered.npy, the network's input."""

import numpy as np

from tasks.contract import Summary, timed
from tasks.imaging.preprocessing import preprocess_input
from tasks.lake import layout
from tasks.lake.arrays import npy_is_whole, npy_shape, read_npy_batches, write_npy
from tasks.lake.store import Store
from tasks.progress import track
from tasks.run_plan import read_plan

_BATCH = 64


def feature_engineering(lake: Store, run: str, shard: str) -> Summary:
    """Preprocesses the resized images of a shard exactly as Keras does for the backbone.

    Args:
        lake: the data lake.
        run: id of the run.
        shard: id of the shard; `etl` has completed it.

    Returns:
        How many images there are.
    """
    source, target = layout.landing(shard, layout.NPY_RESIZED_RGB), layout.features(shard)
    with timed() as summary:
        summary |= {"shard": shard, "already_complete": npy_is_whole(lake, target)}
        if not summary["already_complete"]:
            mode = read_plan(lake, run).preprocessing.mode
            batches = (
                preprocess_input(rgb, mode) for rgb in read_npy_batches(lake, source, _BATCH)
            )
            shape = npy_shape(lake, source)
            tracked = track(batches, shape[0], "preprocessing images", len)
            write_npy(lake, target, shape, np.float32, tracked)
        summary["images"] = npy_shape(lake, target)[0]
    return summary
