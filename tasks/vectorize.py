"""vectorize: feature_engineered.npy -> embedded_image_vectors.npy, one vector an image."""

import numpy as np

from tasks.contract import Summary, timed
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.arrays import read_npy_batches, write_npy
from tasks.lake.seals import break_seal, new_attempt, refresh_seal, seal, sealed
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.landing import LandingReport, require_landing
from tasks.model import (
    ModelCard,
    discard_model,
    local_form,
    read_model_card,
    usual_runtime,
    vectors_source,
)
from tasks.model_probe import require_same_vectors
from tasks.model_vectorizer import open_vectorizer
from tasks.parallel import bounded_map
from tasks.progress import track
from tasks.run_plan import RunPlan, read_plan
from tasks.settings import Settings
from tasks.vectorizer.batches import embed_views
from tasks.vectorizer.vectorizer import Vectorizer, load_vectorizer

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
        UserError: the model of the run has not been built, or the shard has no features or has not
            landed.
        DamagedError: the features or the model are damaged. They do not count any longer.
    """
    plan = read_plan(lake, run)
    landed = require_landing(lake, shard)
    card = read_model_card(lake, plan.model)
    target, source = layout.shard_vectors(plan.model, shard), vectors_source(landed.digest, card)
    with timed() as summary:
        complete = sealed(lake, target, source) is not None
        summary |= {"shard": shard, "already_complete": complete, "images": landed.images}
        if not complete:
            features = sealed(lake, layout.features(shard), landed.digest)
            if features is None:
                raise UserError(
                    f"shard {shard} has no features; clear its task feature_engineering"
                )
            artifact = _embed(lake, plan, card, settings, landed=landed, features=features)
            seal(lake, target, artifact, source)
        else:
            refresh_seal(lake, target)
    return summary


def _open(lake: Store, plan: RunPlan, card: ModelCard, settings: Settings) -> Vectorizer:
    wanted = plan.pipeline.runtime
    runtime = usual_runtime(card) if wanted == "auto" else wanted
    if settings.device == "cpu":
        vectorizer = open_vectorizer(lake, card, runtime, settings)
        if (card.precision, runtime) != ("float32", "openvino"):
            return vectorizer
    elif (card.precision, runtime) != ("float32", "onnx"):
        raise UserError("a GPU computes float32 with runtime onnx alone; set device to cpu")
    else:
        vectorizer = _on_gpu(lake, card, settings)
    path = local_form(lake, card, "onnx", settings)
    # What searches compares with these vectors computes with ONNX Runtime, on a CPU.
    require_same_vectors(
        vectorizer,
        load_vectorizer("onnx", path, settings.threads or None, few=True),
        plan.preprocessing,
        card.probe_cosine,
    )
    return vectorizer


def _on_gpu(lake: Store, card: ModelCard, settings: Settings) -> Vectorizer:
    path = local_form(lake, card, "onnx", settings)
    return load_vectorizer("onnx", path, device=settings.device)


def _embed(
    lake: Store,
    plan: RunPlan,
    card: ModelCard,
    settings: Settings,
    *,
    landed: LandingReport,
    features: Artifact,
) -> Artifact:
    try:
        vectorizer = _open(lake, plan, card, settings)
    except DamagedError:
        discard_model(lake, plan.model)
        raise
    shape, views = (landed.images, *plan.preprocessing.shape), plan.preprocessing.views
    # While one batch is computed the next one is read and hashed.
    vectors = bounded_map(
        lambda batch: embed_views(vectorizer.transform, batch, views),
        read_npy_batches(lake, features, _BATCH, shape=shape, dtype=np.float32),
        workers=1,
    )
    tracked = track(vectors, landed.images, "embedding images", len)
    try:
        target = new_attempt(layout.shard_vectors(plan.model, landed.shard))
        return write_npy(lake, target, (landed.images, card.dimensions), np.float32, tracked)
    except DamagedError:
        break_seal(lake, layout.features(landed.shard))
        raise
