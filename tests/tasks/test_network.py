"""A network of one's own, from its file to answers."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from tasks.build_model import build_model
from tasks.errors import UserError
from tasks.imaging.decode import DecodeLimits
from tasks.imaging.network_input import load_resized_rgb
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.model import ModelCard
from tasks.plan import plan
from tasks.release_in_use import current_release
from tasks.run_plan import preprocessing_of
from tasks.search import search
from tasks.settings import Settings
from tests.tasks.pipeline import reindex, save_photo, settings_for_tests
from tests.tasks.vectorizer.made_network import tokens_of, write_network

PHOTOS = ("chelsea", "coffee", "rocket")
SCALE, MEAN, STD = 1 / 255, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_network(tmp_path / "own.onnx")


@pytest.fixture
def master(tmp_path: Path) -> Path:
    """The original images of the lake of a test; the lake has no model yet."""
    for photo in PHOTOS:
        save_photo(tmp_path / "lake" / "master" / f"{photo}.jpg", photo)
    return tmp_path / "lake" / "master"


@pytest.fixture
def lake(master: Path) -> Store:
    return open_store(master.parent.as_uri())


def settings_of(file: Path, **declaration: Any) -> Settings:
    network = {
        "file": file.as_uri(),
        "name": "own",
        "height": 8,
        "width": 8,
        "layout": "NCHW",
        "order": "BGR",
        "scale": SCALE,
        "mean": MEAN,
        "std": STD,
    }
    pipeline = {"network": network | declaration, "index_factory": "Flat"}
    return settings_for_tests(pipeline=pipeline)


def indexed_with(lake: Store, run: str, settings: Settings) -> ModelCard:
    """Brings the release of a lake to these settings, and returns the card of its model."""
    reindex(lake, run, settings)
    return ModelCard.model_validate(current_release(lake).model)


def replace_weights(file: Path, factor: float) -> None:
    network = onnx.load(file)
    for tensor in network.graph.initializer:
        if tensor.name == "weights":
            other = numpy_helper.to_array(tensor) * np.float32(factor)
            tensor.CopyFrom(numpy_helper.from_array(other, "weights"))
    onnx.save(network, file)


def test_pictures_are_embedded_as_declared(lake: Store, master: Path, file: Path) -> None:
    settings = settings_of(file)
    reindex(lake, "r", settings)
    rgb = load_resized_rgb(
        (master / "chelsea.jpg").read_bytes(), preprocessing_of(settings.pipeline), DecodeLimits()
    )
    scaled = (rgb[..., ::-1] * SCALE - np.array(MEAN)) / np.array(STD)
    expected = tokens_of(scaled[np.newaxis].astype(np.float32))[0, -1]
    stored = lake.read(layout.release(1, layout.NPY_IMAGE_VECTORS))
    np.testing.assert_allclose(np.load(io.BytesIO(stored))[0], expected, rtol=1e-3)


def test_a_release_answers_without_the_file_of_its_network(
    lake: Store, master: Path, file: Path
) -> None:
    settings = settings_of(file)
    reindex(lake, "r", settings)
    file.unlink()
    answer = search(lake, "s", str(master / "coffee.jpg"), 3, settings)
    assert answer["results"][0]["name"] == "coffee.jpg"
    assert answer["results"][0]["score"] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("resize", ["stretch", "letterbox", "center_crop", "multi_crop"])
def test_what_is_explained_is_what_the_network_sees_of_a_picture(
    lake: Store, master: Path, file: Path, resize: str
) -> None:
    wide = Image.open(master / "chelsea.jpg").resize((320, 80))
    wide.save(master / "wide.png")
    declared = settings_of(file, output="tokens", pooling="mean")
    pipeline = declared.pipeline.model_dump() | {"resize": resize}
    settings = settings_for_tests(pipeline=pipeline)
    reindex(lake, "r", settings)
    search(lake, "s", str(master / "wide.png"), 4, settings, explained=True)
    hits = json.loads(lake.read(layout.run("s", "explanation.json")))["results"]
    for hit in hits:
        assert hit["cosine"] == pytest.approx(hit["score"], abs=0.05)
    regions = np.array(hits[1]["query_regions"])
    unseen = regions[:, [0, 1, -2, -1]]  # beside the square in the middle
    assert np.any(regions)
    assert np.any(unseen) == (resize != "center_crop")


def test_the_card_tells_the_file_and_its_digest(lake: Store, file: Path) -> None:
    card = indexed_with(lake, "r", settings_of(file))
    assert card.id.startswith("own-")
    assert (card.backbone, card.dimensions) == ("own", 4)
    assert card.weights["source"] == file.as_uri()
    assert len(card.weights["weights_sha256"]) == 64
    assert card.cosine >= 0.99999
    assert set(card.artifacts) == {layout.ONNX_VECTORIZER_MODEL}


def test_another_file_of_the_same_name_is_another_model(lake: Store, file: Path) -> None:
    settings = settings_of(file)
    before = indexed_with(lake, "r", settings)
    assert not plan(lake, "same", settings)["anything_to_do"]
    replace_weights(file, 2.0)
    after = indexed_with(lake, "s", settings)
    assert after.id != before.id
    assert after.identity != before.identity
    assert set(lake.folders(layout.MODEL)) == {before.id, after.id}
    for model in (before, after):
        assert len(lake.folders(f"{layout.MODEL}/{model.id}/vectors")) == 1


def test_a_file_that_moved_is_the_same_model(lake: Store, file: Path) -> None:
    reindex(lake, "r", settings_of(file))
    moved = file.rename(file.with_name("moved.onnx"))
    assert not plan(lake, "s", settings_of(moved))["anything_to_do"]


def test_a_file_replaced_during_a_run_is_refused(lake: Store, file: Path) -> None:
    settings = settings_of(file)
    plan(lake, "r", settings)
    replace_weights(file, 2.0)
    with pytest.raises(UserError, match="start a new run if it was replaced"):
        build_model(lake, "r", settings)


def test_vectors_that_are_not_finite_are_refused(lake: Store, file: Path) -> None:
    replace_weights(file, float("nan"))
    settings = settings_of(file)
    model = plan(lake, "r", settings)["model"]
    with pytest.raises(UserError, match="not finite, or all zeros"):
        build_model(lake, "r", settings)
    assert not list(lake.objects(f"{layout.MODEL}/{model}"))


def test_a_keras_network_has_both_forms(lake: Store, tmp_path: Path) -> None:
    from tasks.vectorizer.quiet_keras import keras

    keras.utils.set_random_seed(1)
    images = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(5, 3, name="maps")(images)
    keras.Model(images, keras.layers.Dense(2)(maps)).save(tmp_path / "own.keras")
    declaration = {"layout": "NHWC", "output": "maps", "pooling": "mean"}
    settings = settings_of(tmp_path / "own.keras", **declaration)
    card = indexed_with(lake, "r", settings)
    assert card.dimensions == 5
    assert card.cosine >= 0.99999
    assert {layout.TF_VECTORIZER_MODEL, layout.ONNX_VECTORIZER_MODEL} <= set(card.artifacts)


def test_keras_is_not_asked_to_run_onnx(file: Path) -> None:
    network = {"file": str(file)}
    with pytest.raises(ValueError, match="set runtime to onnx"):
        settings_for_tests(pipeline={"runtime": "keras", "network": network})


def test_a_network_behind_a_secret_is_refused_without_telling_it() -> None:
    network = {"file": "https://bot:hunter2@models.lab/own.onnx"}
    with pytest.raises(ValueError, match="holds a password") as caught:
        settings_for_tests(pipeline={"network": network})
    assert "hunter2" not in str(caught.value)
