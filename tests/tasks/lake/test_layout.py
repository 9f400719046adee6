import pytest

from tasks.errors import UserError
from tasks.lake import layout


def test_the_layout_is_the_documented_one() -> None:
    assert layout.plan("r1") == "runs/r1/plan.json"
    assert layout.landing("s", layout.NPY_RESIZED_RGB) == "landing/s/resized_rgb.npy"
    assert layout.features("s") == "feature_store/s/feature_engineered.npy"
    assert layout.model("m", layout.TF_VECTORIZER_MODEL) == "model/m/vectorizer_model.keras"
    assert layout.shard_vectors("m", "s") == "model/m/vectors/s/embedded_image_vectors.npy"
    assert layout.release(7, layout.IMAGE_INDEX) == "releases/000007/image_index.faiss"


def test_a_run_id_is_the_name_of_its_folder() -> None:
    assert layout.run("manual__2026-01-02T03-04-05") == "runs/manual__2026-01-02T03-04-05"


@pytest.mark.parametrize("run", ["", "...", "../../etc", "a/b", "a b", "ü", "-x", "x" * 251])
def test_a_run_id_that_a_store_may_not_bear_is_refused(run: str) -> None:
    with pytest.raises(UserError, match="cannot be the id of a run; use letters"):
        layout.plan(run)
