"""A model that was lost or damaged is noticed, built again, and serves the releases made before."""

from pathlib import Path

import onnx
import pytest

from tasks.build_model import build_model
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.papers import read_paper, write_paper
from tasks.lake.releases import Releases
from tasks.lake.store import DamagedError, Store
from tasks.model import find_sound_model
from tasks.plan import plan
from tasks.publish import publish
from tasks.search import search
from tasks.verify import verify
from tests.tasks.pipeline import embed_new, reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()


def model_of(lake: Store) -> str:
    (model,) = lake.folders(layout.MODEL)
    return model


def flip_a_bit(lake: Store, path: str) -> None:
    data = bytearray(lake.read(path))
    data[len(data) // 2] ^= 1
    lake.write(path, bytes(data))


def export_otherwise(lake: Store) -> None:
    """Stores the same network in other bytes, as other versions of the libraries would."""
    path = layout.model(model_of(lake), layout.ONNX_VECTORIZER_MODEL)
    network = onnx.load_from_string(lake.read(path))
    network.doc_string = "written by another version"
    artifact = lake.write(path, network.SerializeToString())
    card = layout.model(model_of(lake), layout.MODEL_CARD)
    document = read_paper(lake, card)
    document["artifacts"][layout.ONNX_VECTORIZER_MODEL] |= {
        "bytes": artifact.bytes,
        "sha256": artifact.sha256,
    }
    write_paper(lake, card, document)


def test_a_model_with_a_flipped_bit_is_named_and_built_again_by_the_next_reindex(
    indexed: Store, master: Path
) -> None:
    path = layout.model(model_of(indexed), layout.ONNX_VECTORIZER_MODEL)
    flip_a_bit(indexed, path)
    assert [problem["path"] for problem in verify(indexed, SETTINGS)["problems"]] == [path]
    repaired = reindex(indexed, "repair")
    assert (repaired["version"], repaired["already_complete"]) == (1, True)
    assert verify(indexed, SETTINGS)["sound"]
    assert search(indexed, "s", str(master / "coffee_0.jpg"), 1, SETTINGS)["release"] == 1
    assert not plan(indexed, "after", SETTINGS)["anything_to_do"]


@pytest.mark.parametrize(
    "name", [layout.ONNX_VECTORIZER_MODEL, layout.TF_VECTORIZER_MODEL, layout.MODEL_CARD]
)
def test_a_night_without_changes_notices_that_the_model_is_lost(indexed: Store, name: str) -> None:
    assert not plan(indexed, "before", SETTINGS)["anything_to_do"]
    indexed.delete(layout.model(model_of(indexed), name))
    planned = plan(indexed, "after", SETTINGS)
    assert (planned["anything_to_do"], planned["model_to_build"]) == (True, True)
    assert (planned["shards"], planned["unchanged"]) == ([], 7)


def test_nothing_is_published_with_a_damaged_model(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    embed_new(indexed, "r", SETTINGS)
    flip_a_bit(indexed, layout.model(model_of(indexed), layout.TF_VECTORIZER_MODEL))
    for _ in range(2):
        with pytest.raises(DamagedError, match="is damaged"):
            publish(indexed, "r")
    assert find_sound_model(indexed, model_of(indexed)) is None


def test_a_damaged_model_that_nobody_has_noticed_is_built_again_before_it_embeds(
    indexed: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise InterruptedError

    save_photo(master / "new.jpg", "coffee", 7)
    plan(indexed, "r", SETTINGS)
    flip_a_bit(indexed, layout.model(model_of(indexed), layout.ONNX_VECTORIZER_MODEL))
    monkeypatch.setattr("tasks.build_model.store_forms", stop)  # building takes long
    with pytest.raises(InterruptedError):
        build_model(indexed, "r", SETTINGS)
    assert not indexed.exists(
        layout.model(plan(indexed, "r", SETTINGS)["model"], layout.MODEL_CARD)
    )


def test_releases_find_their_model_after_it_was_built_again_in_other_bytes(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    reindex(indexed, "second")
    Releases(indexed).pin(1)
    export_otherwise(indexed)
    assert search(indexed, "s", str(master / "coffee_0.jpg"), 1, SETTINGS)["release"] == 1
    assert [verify(indexed, SETTINGS, version=version)["sound"] for version in (1, 2)] == [True] * 2
    assert not plan(indexed, "after", SETTINGS)["anything_to_do"]


def test_a_release_is_not_searched_with_a_model_of_other_weights(
    indexed: Store, master: Path
) -> None:
    card = layout.model(model_of(indexed), layout.MODEL_CARD)
    document = read_paper(indexed, card)
    document["weights"]["weights_sha256"] = "0" * 64
    write_paper(indexed, card, document)
    with pytest.raises(DamagedError, match=r"model_card\.json is damaged"):
        search(indexed, "s", str(master / "coffee_0.jpg"), 1, SETTINGS)
    assert [problem["path"] for problem in verify(indexed, SETTINGS)["problems"]] == [card]
    assert plan(indexed, "repair", SETTINGS)["model_to_build"]


def test_a_model_is_not_built_again_from_other_weights(indexed: Store) -> None:
    path = layout.release(1, layout.MANIFEST)
    manifest = read_paper(indexed, path)
    manifest["model"]["weights"]["weights_sha256"] = "0" * 64
    write_paper(indexed, path, manifest)
    plan(indexed, "r", SETTINGS)
    with pytest.raises(UserError, match="weights are not those that releases with the model"):
        build_model(indexed, "r", SETTINGS)
