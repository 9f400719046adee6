from pathlib import Path

import pytest

from tasks.build_model import build_model
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.store import Store
from tasks.model import read_model_card
from tasks.plan import plan
from tests.tasks.pipeline import save_photo, settings_for_tests

SETTINGS = settings_for_tests()


def test_a_model_is_described_by_its_card(indexed: Store) -> None:
    (model,) = indexed.folders(layout.MODEL)
    card = read_model_card(indexed, model)
    assert (card.backbone, card.dimensions, card.precision) == ("ResNet50", 2048, "float32")
    assert card.weights["source"]
    assert len(card.weights["weights_sha256"]) == 64
    assert card.cosine >= 0.99999
    for artifact in card.artifacts.values():
        assert indexed.digest(artifact.path) == artifact.sha256


def test_a_model_that_the_lake_has_is_not_built_again(indexed: Store) -> None:
    plan(indexed, "r", SETTINGS, full_rebuild=True)
    assert build_model(indexed, "r", SETTINGS)["already_complete"]


def test_a_build_that_died_is_finished_by_the_next(indexed: Store) -> None:
    (model,) = indexed.folders(layout.MODEL)
    before = read_model_card(indexed, model)
    indexed.delete(layout.model(model, layout.MODEL_CARD))
    indexed.delete(layout.model(model, layout.ONNX_VECTORIZER_MODEL))
    plan(indexed, "r", SETTINGS, full_rebuild=True)
    assert not build_model(indexed, "r", SETTINGS)["already_complete"]
    after = read_model_card(indexed, model)
    keras_form = layout.TF_VECTORIZER_MODEL
    assert after.artifacts[keras_form] == before.artifacts[keras_form]
    assert after.cosine >= 0.99999


def test_a_stored_form_that_differs_from_the_other_is_refused(indexed: Store) -> None:
    (model,) = indexed.folders(layout.MODEL)
    indexed.delete(layout.model(model, layout.MODEL_CARD))
    onnx = layout.model(model, layout.ONNX_VECTORIZER_WEIGHTS)
    data = bytearray(indexed.read(onnx))
    middle = len(data) // 2
    data[middle : middle + 400_000] = bytes(400_000)  # weights in the middle of the network
    indexed.write(onnx, bytes(data))
    plan(indexed, "r", SETTINGS, full_rebuild=True)
    with pytest.raises(UserError, match="disagree"):
        build_model(indexed, "r", SETTINGS)
    assert not indexed.exists(layout.model(model, layout.MODEL_CARD))


def test_weights_of_the_wrong_digest_build_nothing(
    lake: Store, master: Path, tmp_path: Path
) -> None:
    save_photo(master / "a.jpg")
    weights = tmp_path / "own.weights.h5"
    weights.write_bytes(b"something else")
    settings = settings_for_tests(pipeline={"weights": str(weights), "weights_sha256": "0" * 64})
    model = plan(lake, "r", settings)["model"]
    with pytest.raises(UserError, match="SHA-256"):
        build_model(lake, "r", settings)
    assert not list(lake.objects(f"{layout.MODEL}/{model}"))


def test_a_damaged_copy_of_the_weights_in_the_lake_is_replaced(indexed: Store) -> None:
    (weights,) = indexed.objects(layout.WEIGHTS)
    digest, data = indexed.digest(weights.path), bytearray(indexed.read(weights.path))
    data[len(data) // 2] ^= 1
    indexed.write(weights.path, data)
    indexed.delete(layout.model(indexed.folders(layout.MODEL)[0], layout.MODEL_CARD))
    plan(indexed, "r", SETTINGS, full_rebuild=True)
    build_model(indexed, "r", SETTINGS)
    assert indexed.digest(weights.path) == digest


def test_weights_fetched_once_are_kept_in_the_lake_for_the_team(indexed: Store) -> None:
    (weights,) = indexed.objects(layout.WEIGHTS)
    assert weights.path == "weights/ResNet50-imagenet.npz"
    assert weights.bytes > 90e6
