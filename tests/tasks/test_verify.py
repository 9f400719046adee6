from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from tasks.command_line import app
from tasks.errors import UserError
from tasks.index.milvus_collection import key_of
from tasks.lake import layout
from tasks.lake.arrays import write_npy
from tasks.lake.papers import read_paper, write_paper
from tasks.lake.releases import Releases
from tasks.lake.store import Artifact, DamagedError, Store
from tasks.load import load
from tasks.model import find_sound_model
from tasks.search import search
from tasks.vector_database import opened_database
from tasks.verify import verify
from tests.tasks.pipeline import reindex, settings_for_tests

SETTINGS = settings_for_tests()
ARTIFACTS = [
    layout.NPY_IMAGE_VECTORS,
    layout.NPY_IMAGE_NAMES,
    layout.IMAGE_INDEX,
    layout.CATALOGUE,
]


def flip_a_bit(lake: Store, path: str) -> None:
    data = bytearray(lake.read(path))
    data[len(data) // 2] ^= 1
    lake.write(path, bytes(data))


def replace_in_manifest(lake: Store, artifact: Artifact) -> None:
    """Makes a manifest name another object, digest and all."""
    path = layout.release(1, layout.MANIFEST)
    manifest = read_paper(lake, path)
    manifest["artifacts"][artifact.path.rsplit("/", 1)[-1]] = asdict(artifact)
    write_paper(lake, path, manifest)


def test_a_sound_release_has_no_problems(indexed: Store) -> None:
    summary = verify(indexed, SETTINGS)
    assert (summary["release"], summary["sound"], summary["problems"]) == (1, True, [])
    assert summary["objects"] == 9
    assert summary["bytes"] > 100_000_000
    assert summary["model_sound"]


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_flipped_bit_is_named(indexed: Store, name: str) -> None:
    path = layout.release(1, name)
    flip_a_bit(indexed, path)
    (problem,) = verify(indexed, SETTINGS)["problems"]
    assert (problem["path"], problem["kind"]) == (path, "damaged")


@pytest.mark.parametrize("name", ARTIFACTS)
def test_a_missing_object_is_named(indexed: Store, name: str) -> None:
    path = layout.release(1, name)
    indexed.delete(path)
    (problem,) = verify(indexed, SETTINGS)["problems"]
    assert (problem["path"], problem["kind"]) == (path, "missing")


def test_a_damaged_model_is_named(indexed: Store) -> None:
    release = Releases(indexed).latest()
    assert release
    path = layout.model(release.model["id"], layout.ONNX_VECTORIZER_MODEL)
    flip_a_bit(indexed, path)
    (problem,) = verify(indexed, SETTINGS)["problems"]
    assert (problem["path"], problem["kind"]) == (path, "damaged")


def test_a_damaged_model_is_marked_and_its_release_is_not(indexed: Store) -> None:
    (model,) = indexed.folders(layout.MODEL)
    path = layout.model(model, layout.TF_VECTORIZER_MODEL)
    whole = indexed.read(path)
    flip_a_bit(indexed, path)
    summary = verify(indexed, SETTINGS)
    assert (summary["sound"], summary["model_sound"]) == (False, False)
    assert Releases(indexed).latest()
    assert find_sound_model(indexed, model) is None
    indexed.write(path, whole)
    assert verify(indexed, SETTINGS)["sound"]
    assert find_sound_model(indexed, model)


@pytest.mark.parametrize("spoil", [Store.delete, flip_a_bit])
def test_a_model_card_that_is_lost_or_makes_no_sense_is_named(
    indexed: Store, spoil: Callable[[Store, str], None]
) -> None:
    (model,) = indexed.folders(layout.MODEL)
    path = layout.model(model, layout.MODEL_CARD)
    indexed.write(path, b"{" + indexed.read(path)[1:-1])
    spoil(indexed, path)
    (problem,) = verify(indexed, SETTINGS)["problems"]
    assert problem["path"] == path
    assert find_sound_model(indexed, model) is None


def test_what_is_wrong_is_logged_once_with_its_reason(
    indexed: Store, caplog: pytest.LogCaptureFixture
) -> None:
    path = layout.release(1, layout.IMAGE_INDEX)
    indexed.delete(path)
    (problem,) = verify(indexed, SETTINGS)["problems"]
    assert problem["detail"] == "there is no such object"
    assert caplog.text.count(path) == 1


def test_an_extra_object_is_named_and_does_no_harm(indexed: Store) -> None:
    indexed.write(layout.release(1, "notes.txt"), b"mine")
    summary = verify(indexed, SETTINGS)
    assert summary["sound"]
    assert [problem["kind"] for problem in summary["problems"]] == ["extra"]


def test_all_problems_are_named_at_once(indexed: Store) -> None:
    flip_a_bit(indexed, layout.release(1, layout.IMAGE_INDEX))
    indexed.delete(layout.release(1, layout.CATALOGUE))
    indexed.write(layout.release(1, "notes.txt"), b"mine")
    kinds = {problem["kind"] for problem in verify(indexed, SETTINGS)["problems"]}
    assert kinds == {"damaged", "missing", "extra"}


def test_names_that_are_not_those_of_the_catalogue_are_damage(indexed: Store) -> None:
    path = layout.release(1, layout.NPY_IMAGE_NAMES)
    names = np.array([f"{number}.jpg" for number in range(6)])
    replace_in_manifest(indexed, write_npy(indexed, path, (6,), names.dtype, [names]))
    (problem,) = verify(indexed, SETTINGS)["problems"]
    assert "does not name the images of the catalogue" in problem["detail"]


def test_vectors_that_are_not_finite_are_damage(indexed: Store) -> None:
    path = layout.release(1, layout.NPY_IMAGE_VECTORS)
    nan = np.full((6, 2048), np.nan, np.float32)
    replace_in_manifest(indexed, write_npy(indexed, path, (6, 2048), np.float32, [nan]))
    (problem,) = verify(indexed, SETTINGS)["problems"]
    assert "not finite" in problem["detail"]


def test_a_release_found_damaged_is_used_no_more_and_the_next_reindex_makes_another(
    indexed: Store,
) -> None:
    flip_a_bit(indexed, layout.release(1, layout.NPY_IMAGE_VECTORS))
    with pytest.raises(DamagedError):  # nobody has marked it yet
        search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)
    assert not verify(indexed, SETTINGS)["sound"]
    with pytest.raises(UserError, match="every release"):
        search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)
    assert reindex(indexed, "repair")["version"] == 2
    assert verify(indexed, SETTINGS)["sound"]


def test_a_release_that_was_restored_is_used_again(indexed: Store) -> None:
    path = layout.release(1, layout.IMAGE_INDEX)
    whole = indexed.read(path)
    flip_a_bit(indexed, path)
    verify(indexed, SETTINGS)
    assert Releases(indexed).latest() is None
    indexed.write(path, whole)
    assert verify(indexed, SETTINGS)["sound"]
    assert Releases(indexed).latest()


def test_a_read_only_look_leaves_no_mark(indexed: Store) -> None:
    flip_a_bit(indexed, layout.release(1, layout.IMAGE_INDEX))
    assert not verify(indexed, SETTINGS, read_only=True)["sound"]
    assert Releases(indexed).damage(1) is None


def test_a_release_that_is_not_there_is_an_error(indexed: Store) -> None:
    with pytest.raises(UserError, match="there is no release 7"):
        verify(indexed, SETTINGS, version=7)


def test_the_command_fails_if_the_release_is_damaged(indexed: Store) -> None:
    arguments = ["verify", "--lake", str(indexed), "--read-only"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    flip_a_bit(indexed, layout.release(1, layout.IMAGE_INDEX))
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 2
    assert '"sound": false' in answer.stdout
    assert "error: release 1 is damaged; run image_reindex to make another" in answer.stderr


def test_a_vector_database_is_compared_too_and_its_recall_told(
    indexed: Store, tmp_path: Path
) -> None:
    settings = settings_for_tests(vector_database={"uri": str(tmp_path / "vectors.db")})
    assert verify(indexed, settings)["vector_database"] == {"held": [], "problems": []}
    load(indexed, settings.vector_database)
    expected = {"held": [1], "problems": [], "recall_at_10": 1.0}
    assert verify(indexed, settings)["vector_database"] == expected
    with opened_database(settings.vector_database) as database:
        database.open(1).delete([key_of("coffee_0.jpg")])
    found = verify(indexed, settings)
    assert found["sound"]  # the files are
    assert found["vector_database"]["problems"] == [
        "it holds 5 images, the release 6",
        "coffee_0.jpg is missing",
    ]
