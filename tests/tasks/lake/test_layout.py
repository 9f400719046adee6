import pytest

from tasks.lake import layout


def test_the_layout_is_the_documented_one() -> None:
    assert layout.plan("r1") == "runs/r1/plan.json"
    assert layout.landing("s", layout.NPY_RESIZED_RGB) == "landing/s/resized_rgb.npy"
    assert layout.features("s") == "feature_store/s/feature_engineered.npy"
    assert layout.model("m", layout.TF_VECTORIZER_MODEL) == "model/m/vectorizer_model.keras"
    assert layout.shard_vectors("m", "s") == "model/m/vectors/s/embedded_image_vectors.npy"
    assert layout.release(7, layout.IMAGE_INDEX) == "releases/000007/image_index.faiss"


@pytest.mark.parametrize(
    ("run", "key"),
    [
        ("manual__2026-01-02T03:04:05+00:00", "manual__2026-01-02T03-04-05-00-00"),
        ("../../etc", "-..-etc"),
        ("a b/ü", "a-b--"),
    ],
)
def test_a_run_id_becomes_a_folder_name_that_any_store_takes(run: str, key: str) -> None:
    assert layout.run_key(run) == key
    assert layout.run_key(key) == key
