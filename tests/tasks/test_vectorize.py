from pathlib import Path

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.papers import read_paper, write_paper
from tasks.lake.store import Store
from tasks.plan import plan
from tasks.publish import publish
from tasks.vectorize import vectorize
from tests.tasks.pipeline import attempt, save_photo, settings_for_tests


def prepared_shard(lake: Store, master: Path, run: str, **pipeline: str) -> tuple[str, str]:
    for view in range(3):
        save_photo(master / f"{view}.jpg", view=view)
    planned = plan(lake, run, settings_for_tests(pipeline=pipeline))
    shard = planned["shards"][0]["shard"]
    etl(lake, run, shard)
    feature_engineering(lake, run, shard)
    return shard, planned["model"]


def vectors(lake: Store, model: str, shard: str) -> np.ndarray:
    path = lake.local_path(attempt(lake, layout.shard_vectors(model, shard)))
    assert path
    return np.asarray(np.load(path, allow_pickle=False))


def test_features_are_float32_and_as_keras_prepares_them(lake: Store, master: Path) -> None:
    from tasks.vectorizer.quiet_keras import keras

    shard, _ = prepared_shard(lake, master, "r")
    pixels, features = (
        np.load(path)
        for path in (
            lake.local_path(attempt(lake, layout.landing(shard, layout.NPY_RESIZED_RGB))),
            lake.local_path(attempt(lake, layout.features(shard))),
        )
        if path
    )
    assert features.dtype == np.float32
    expected = keras.applications.resnet50.preprocess_input(pixels.astype(np.float32))
    np.testing.assert_array_equal(features, expected)


def test_every_image_gets_a_vector(lake: Store, master: Path) -> None:
    shard, model = prepared_shard(lake, master, "r")
    assert vectorize(lake, "r", shard, settings_for_tests())["images"] == 3
    assert vectors(lake, model, shard).shape == (3, 2048)


def test_vectors_of_other_weights_do_not_count(lake: Store, master: Path) -> None:
    shard, model = prepared_shard(lake, master, "r")
    vectorize(lake, "r", shard, settings_for_tests())
    card = read_paper(lake, layout.model(model, layout.MODEL_CARD))
    card["weights"]["weights_sha256"] = "0" * 64
    write_paper(lake, layout.model(model, layout.MODEL_CARD), card)
    with pytest.raises(UserError, match=r"is not complete; clear its tasks, from etl on"):
        publish(lake, "r")
    assert not vectorize(lake, "r", shard, settings_for_tests())["already_complete"]
    assert publish(lake, "r")["images"] == 3


@pytest.mark.parametrize("runtime", ["auto", "openvino", "keras"])
def test_all_runtimes_give_the_same_vectors(lake: Store, master: Path, runtime: str) -> None:
    shard, model = prepared_shard(lake, master, "r1", runtime="onnx")
    vectorize(lake, "r1", shard, settings_for_tests())
    by_onnx = vectors(lake, model, shard)
    lake.delete(attempt(lake, layout.shard_vectors(model, shard)))
    plan(lake, "r2", settings_for_tests(pipeline={"runtime": runtime}))
    vectorize(lake, "r2", shard, settings_for_tests())
    np.testing.assert_allclose(vectors(lake, model, shard), by_onnx, atol=1e-4)


def test_a_complete_shard_is_not_done_again(lake: Store, master: Path) -> None:
    shard, _ = prepared_shard(lake, master, "r")
    vectorize(lake, "r", shard, settings_for_tests())
    lake.delete(attempt(lake, layout.features(shard)))
    assert vectorize(lake, "r", shard, settings_for_tests())["already_complete"]


def test_an_empty_shard_has_no_vectors(lake: Store, master: Path) -> None:
    (master / "broken.jpg").write_bytes(b"rubbish")
    planned = plan(lake, "r", settings_for_tests())
    (shard,) = (part["shard"] for part in planned["shards"])
    etl(lake, "r", shard)
    feature_engineering(lake, "r", shard)
    vectorize(lake, "r", shard, settings_for_tests())
    assert vectors(lake, planned["model"], shard).shape == (0, 2048)


def test_without_the_model_it_says_what_to_do(lake: Store, master: Path) -> None:
    shard, _ = prepared_shard(lake, master, "r", backbone="DenseNet121")
    with pytest.raises(UserError, match="run the task `build_model` first"):
        vectorize(lake, "r", shard, settings_for_tests())
