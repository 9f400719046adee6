"""A lake of photographs filled up with made vectors: as much to search, and no hours to embed it.

The product's own tasks plan and publish the whole.
"""

import shutil
from pathlib import Path

from benchmarks.photo_lake import PhotoLake
from benchmarks.scale.made_lake import make_catalogue, make_shards
from tasks.lake.open_store import open_store
from tasks.plan import plan
from tasks.publish import publish
from tasks.run_plan import read_plan
from tasks.settings import load_settings

_PHOTOGRAPHS = 30
_RUN = "fill"


def filled_lake(folder: Path, images: int, precision: str) -> Path:
    """Returns the root of a lake with a model and a release; it is kept for the next time.

    Args:
        folder: for lakes.
        images: how many the release has, 31 at least.
        precision: of the model, as in the settings.
    """
    photographs = PhotoLake(
        folder / precision,
        _PHOTOGRAPHS,
        {"IMAGE_SEARCH_PIPELINE__PRECISION": precision},
        models=folder.parent / "models" if precision == "float32" else None,
        lent=True,
    )
    photographs.full()
    root = folder / precision / f"filled-{images}"
    if not root.exists():
        filling = root.with_name(f"filling-{images}")
        shutil.rmtree(filling, ignore_errors=True)
        shutil.copytree(photographs.root, filling)
        make_catalogue(filling, images - photographs.images)
        lake = open_store(str(filling))
        plan(lake, _RUN, load_settings(pipeline={"precision": precision}))
        make_shards(lake, read_plan(lake, _RUN))
        publish(lake, _RUN)
        filling.rename(root)
    return root
