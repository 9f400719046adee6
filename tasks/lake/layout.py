"""Where each artifact lies in the lake: the one place that knows the paths."""

import re

from tasks.errors import UserError

NPY_IMAGE_NAMES = "image_names.npy"
NPY_RESIZED_RGB = "resized_rgb.npy"
NPY_FEATURE_ENGINEERED = "feature_engineered.npy"
NPY_IMAGE_VECTORS = "embedded_image_vectors.npy"
NPY_IMAGE_DIGESTS = "image_digests.npy"
TF_VECTORIZER_MODEL = "vectorizer_model.keras"
ONNX_VECTORIZER_MODEL = "vectorizer_model.onnx"
ONNX_VECTORIZER_WEIGHTS = "vectorizer_model.onnx.data"  # the name that the model knows
ONNX_INT8_MODEL = "vectorizer_model_int8.onnx"
MODEL_FORMS = (TF_VECTORIZER_MODEL, ONNX_VECTORIZER_MODEL, ONNX_VECTORIZER_WEIGHTS)
PROBE_IMAGES = "probe_images.npy"
PROBE_VECTORS = "probe_vectors.npy"
MODEL_PROBE = (PROBE_IMAGES, PROBE_VECTORS)
MODEL_CARD = "model_card.json"
IMAGE_INDEX = "image_index.faiss"
ROW_CHECKSUMS = "row_checksums.npy"
MEAN_VECTOR = "mean_vector.npy"
REJECTED = "rejected.json"
CATALOGUE = "catalogue.jsonl"
MANIFEST = "manifest.json"

MASTER = "master"
RUNS = "runs"
LANDING = "landing"
FEATURE_STORE = "feature_store"
MODEL = "model"
RELEASES = "releases"
WEIGHTS = "weights"
THUMBNAILS = "thumbnails"
NEAR_DUPLICATES = "near_duplicates"
PIN = f"{RELEASES}/pin.json"
LOADED = f"{RELEASES}/loaded.json"
LOOKS = f"{RELEASES}/looks"
CLAIM = "claim.json"
DAMAGE = "damaged.json"
EVALUATION = "evaluation.json"
HELD = "held.json"
SEAL = ".seal.json"
PRUNING = "pruning.json"

# What the pipeline writes; the original images are not among it.
ZONES = (
    RUNS,
    LANDING,
    FEATURE_STORE,
    MODEL,
    RELEASES,
    WEIGHTS,
    THUMBNAILS,
    NEAR_DUPLICATES,
)
# What lies beside the artifacts of a release.
RELEASE_PAPERS = (MANIFEST, CLAIM, DAMAGE, EVALUATION, HELD)


def completes(path: str) -> bool:
    """Tells whether an object is the one that makes those around it complete."""
    return path.endswith((f"/{MANIFEST}", f"/{REJECTED}", f"/{MODEL_CARD}", "/plan.json", SEAL))


def is_run_key(name: str) -> bool:
    """Tells whether a folder may be that of a run."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,249}", name) is not None


def run_key(run_id: str) -> str:
    """Returns the folder name of a run: its id, if every store can bear that.

    Raises:
        UserError: the id is empty, too long or holds other characters.
    """
    if not is_run_key(run_id):
        raise UserError(
            f"{run_id!r} cannot be the id of a run; use letters, digits, '.', '_', '-', at most 250"
        )
    return run_id


def run(run_id: str, *parts: str) -> str:
    """Returns the path of something that belongs to one run."""
    return "/".join((RUNS, run_key(run_id), *parts))


def plan(run_id: str) -> str:
    """Returns the path of the plan that every task of a run reads."""
    return run(run_id, "plan.json")


def run_catalogue(run_id: str, attempt: str) -> str:
    """Returns the path of what an attempt to plan a run found in the catalogue."""
    return run(run_id, "listings", f"{attempt}.jsonl")


def shard_members(run_id: str, shard: str) -> str:
    """Returns the path of the list of a shard's images, one line each."""
    return run(run_id, "shards", f"{shard}.jsonl")


def task_result(run_id: str, task: str, shard: str | None = None) -> str:
    """Returns the path where a task of a run leaves its summary."""
    return run(run_id, "results", *([task, shard] if shard else [task])) + ".json"


def query_picture(run_id: str, name: str) -> str:
    """Returns the path of a picture that somebody has uploaded to search with."""
    return run(run_id, "query", name)


def thumbnail(sha256: str, side: int) -> str:
    """Returns the path of a thumbnail: of the content it shows, whatever its name."""
    return f"{THUMBNAILS}/{side}/{sha256[:2]}/{sha256}.jpg"


def near_duplicates(version: int) -> str:
    """Returns the path of the pairs of images of a release that look nearly the same."""
    return f"{NEAR_DUPLICATES}/{version:06d}/pairs.npy"


def near_duplicates_progress(version: int) -> str:
    """Returns the path that tells how far the look for those pairs is, while it is under way."""
    return f"{NEAR_DUPLICATES}/{version:06d}/progress.json"


def landing(shard: str, name: str) -> str:
    """Returns the path of an output of `etl`."""
    return f"{LANDING}/{shard}/{name}"


def features(shard: str) -> str:
    """Returns the path of the output of `feature_engineering`."""
    return f"{FEATURE_STORE}/{shard}/{NPY_FEATURE_ENGINEERED}"


def model(model_id: str, name: str) -> str:
    """Returns the path of an output of `build_model`."""
    return f"{MODEL}/{model_id}/{name}"


def shard_vectors(model_id: str, shard: str) -> str:
    """Returns the path of the output of `vectorize`."""
    return f"{MODEL}/{model_id}/vectors/{shard}/{NPY_IMAGE_VECTORS}"


def look(number: int) -> str:
    """Returns the path that takes the number of a look at the catalogue."""
    return f"{LOOKS}/{number:09d}.json"


def release(version: int, name: str) -> str:
    """Returns the path of a part of a release."""
    return f"{RELEASES}/{version:06d}/{name}"
