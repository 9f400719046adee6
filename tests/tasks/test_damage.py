"""What was damaged from outside is noticed and made again; it never stops the pipeline for good."""

from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.papers import write_paper
from tasks.lake.releases import Releases
from tasks.lake.store import DamagedError, Store
from tasks.plan import plan
from tasks.prune import prune
from tasks.publish import publish
from tasks.run_plan import read_plan
from tasks.search import search
from tasks.settings import RetentionSettings
from tasks.vectorize import vectorize
from tests.tasks.pipeline import attempt, embed_new, reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()


def flip_a_bit(lake: Store, path: str) -> None:
    data = bytearray(lake.read(path))
    data[-1] ^= 1
    lake.write(path, bytes(data))


def cut(lake: Store, path: str) -> None:
    lake.write(path, lake.read(path)[:-1000])


def test_a_damaged_artifact_of_a_shard_is_made_again_by_its_task(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    planned = plan(indexed, "r", SETTINGS)
    (shard,) = (part["shard"] for part in planned["shards"])
    artifacts = {
        layout.landing(shard, layout.NPY_RESIZED_RGB): lambda: etl(indexed, "r", shard),
        layout.features(shard): lambda: feature_engineering(indexed, "r", shard),
        layout.shard_vectors(planned["model"], shard): lambda: vectorize(
            indexed, "r", shard, SETTINGS
        ),
    }
    for path, make in artifacts.items():
        make()
        whole = indexed.read(attempt(indexed, path))
        cut(indexed, attempt(indexed, path))
        assert not make()["already_complete"]
        assert indexed.read(attempt(indexed, path)) == whole
    assert publish(indexed, "r")["images"] == 7


def test_flipped_bits_are_never_passed_on_and_the_next_run_makes_the_artifact_again(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    planned = plan(indexed, "r", SETTINGS)
    (shard,) = (part["shard"] for part in planned["shards"])
    etl(indexed, "r", shard)
    flip_a_bit(indexed, attempt(indexed, layout.landing(shard, layout.NPY_RESIZED_RGB)))
    with pytest.raises(DamagedError, match=r"resized_rgb.npy is damaged"):
        feature_engineering(indexed, "r", shard)
    with pytest.raises(UserError, match="has not landed; clear its task etl"):
        feature_engineering(indexed, "r", shard)
    etl(indexed, "r", shard)
    feature_engineering(indexed, "r", shard)
    flip_a_bit(indexed, attempt(indexed, layout.features(shard)))
    with pytest.raises(DamagedError, match=r"feature_engineered.npy is damaged"):
        vectorize(indexed, "r", shard, SETTINGS)
    with pytest.raises(UserError, match="has no features; clear its task feature_engineering"):
        vectorize(indexed, "r", shard, SETTINGS)
    feature_engineering(indexed, "r", shard)
    vectorize(indexed, "r", shard, SETTINGS)
    flip_a_bit(indexed, attempt(indexed, layout.shard_vectors(planned["model"], shard)))
    with pytest.raises(DamagedError, match=r"embedded_image_vectors.npy is damaged"):
        publish(indexed, "r")
    assert reindex(indexed, "next")["images"] == 7


def test_a_damaged_list_of_images_is_never_taken_for_what_the_catalogue_holds(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    (shard,) = (part["shard"] for part in plan(indexed, "r", SETTINGS)["shards"])
    size = (master / "new.jpg").stat().st_size
    path = layout.shard_members("r", shard)
    sound = indexed.read(path)
    damaged = sound.replace(b'"bytes":%d' % size, b'"bytes":%d' % (size ^ 1))
    assert damaged != sound
    indexed.write(path, damaged)
    with pytest.raises(DamagedError, match=shard):
        etl(indexed, "r", shard)
    indexed.write(path, sound)
    etl(indexed, "r", shard)
    feature_engineering(indexed, "r", shard)
    vectorize(indexed, "r", shard, SETTINGS)
    indexed.write(path, damaged)
    with pytest.raises(DamagedError, match=shard):
        publish(indexed, "r")
    assert reindex(indexed, "next")["images"] == 7


@pytest.mark.parametrize(("word", "other"), [("NUMPY", "NUMPX"), (", 3)", ", 2)"), ("|u1", "|i1")])
def test_damage_in_a_header_puts_the_artifact_aside(
    lake: Store, master: Path, word: str, other: str
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    (shard,) = (part["shard"] for part in plan(lake, "r", SETTINGS)["shards"])
    etl(lake, "r", shard)
    path = attempt(lake, layout.landing(shard, layout.NPY_RESIZED_RGB))
    sound = lake.read(path)
    lake.write(path, sound.replace(word.encode(), other.encode(), 1))
    with pytest.raises(DamagedError, match=r"resized_rgb.npy is damaged"):
        feature_engineering(lake, "r", shard)
    etl(lake, "r", shard)
    feature_engineering(lake, "r", shard)
    path = attempt(lake, layout.features(shard))
    lake.write(path, lake.read(path).replace(b"<f4", b"<i4", 1))
    with pytest.raises(DamagedError, match=r"feature_engineered.npy is damaged"):
        vectorize(lake, "r", shard, SETTINGS)
    feature_engineering(lake, "r", shard)
    assert vectorize(lake, "r", shard, SETTINGS)["images"] == 1


def test_names_with_flipped_bits_are_not_published(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    shard = embed_new(indexed, "r", SETTINGS)
    flip_a_bit(indexed, attempt(indexed, layout.landing(shard, layout.NPY_IMAGE_NAMES)))
    with pytest.raises(DamagedError, match=r"image_names.npy is damaged"):
        publish(indexed, "r")
    assert reindex(indexed, "next")["images"] == 7


@pytest.mark.parametrize("name", [layout.NPY_IMAGE_VECTORS, layout.CATALOGUE])
def test_nothing_is_built_on_a_release_with_flipped_bits(
    indexed: Store, master: Path, name: str
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    flip_a_bit(indexed, layout.release(1, name))
    with pytest.raises(DamagedError, match=name):
        reindex(indexed, "r")
    assert Releases(indexed).latest() is None
    assert reindex(indexed, "next")["images"] == 7


def test_a_model_with_flipped_bits_embeds_nothing_and_is_built_again(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    planned = plan(indexed, "r", SETTINGS)
    (shard,) = (part["shard"] for part in planned["shards"])
    etl(indexed, "r", shard)
    feature_engineering(indexed, "r", shard)
    flip_a_bit(indexed, layout.model(planned["model"], layout.ONNX_VECTORIZER_MODEL))
    with pytest.raises(DamagedError, match=r"vectorizer_model.onnx is damaged"):
        vectorize(indexed, "r", shard, SETTINGS)
    with pytest.raises(UserError, match=r"run the task `build_model` first"):
        vectorize(indexed, "r", shard, SETTINGS)


def test_a_damaged_shard_is_not_published(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    planned = plan(indexed, "r", SETTINGS)
    (shard,) = (part["shard"] for part in planned["shards"])
    etl(indexed, "r", shard)
    feature_engineering(indexed, "r", shard)
    vectorize(indexed, "r", shard, SETTINGS)
    cut(indexed, attempt(indexed, layout.shard_vectors(planned["model"], shard)))
    with pytest.raises(UserError, match="is not complete; clear its tasks, from etl on"):
        publish(indexed, "r")


@pytest.mark.parametrize(
    "name", [layout.NPY_IMAGE_VECTORS, layout.NPY_IMAGE_NAMES, layout.IMAGE_INDEX, layout.CATALOGUE]
)
def test_a_damaged_release_says_so_and_the_next_reindex_makes_another(
    indexed: Store, name: str
) -> None:
    cut(indexed, layout.release(1, name))
    with pytest.raises(
        UserError, match=r"every release in .* is damaged or held back; run image_reindex"
    ):
        search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)
    assert reindex(indexed, "repair")["version"] == 2
    assert search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)["release"] == 2


def test_the_release_before_a_damaged_one_takes_over(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    reindex(indexed, "second")
    cut(indexed, layout.release(2, layout.NPY_IMAGE_VECTORS))
    assert search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)["release"] == 1
    repaired = reindex(indexed, "repair")
    assert (repaired["version"], repaired["added"], repaired["images"]) == (3, 1, 7)
    assert search(indexed, "s", "new.jpg", 1, SETTINGS)["release"] == 3


def test_a_damaged_release_is_not_built_on_folder_by_folder(indexed: Store) -> None:
    cut(indexed, layout.release(1, layout.NPY_IMAGE_VECTORS))
    with pytest.raises(UserError, match="reindex the whole catalogue first, not cats/ alone"):
        plan(indexed, "repair", SETTINGS, prefix="cats")


@pytest.mark.parametrize("name", [layout.NPY_IMAGE_VECTORS, layout.NPY_IMAGE_NAMES])
def test_search_answers_nothing_from_rows_with_flipped_bits(
    indexed: Store, master: Path, name: str
) -> None:
    path = layout.release(1, name)
    data = bytearray(indexed.read(path))
    row = (len(data) - 128) // 6
    for start in range(128, len(data), row):
        data[start] ^= 1
    indexed.write(path, bytes(data))
    for query in ("coffee_0.jpg", str(master / "coffee_0.jpg")):
        with pytest.raises(DamagedError, match=rf"{name} is damaged: row \d is another one"):
            search(indexed, "s", query, 3, SETTINGS)


def test_a_damaged_manifest_is_passed_over(indexed: Store) -> None:
    cut(indexed, layout.release(1, layout.MANIFEST))
    assert Releases(indexed).latest() is None
    assert reindex(indexed, "repair")["version"] == 2
    assert search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)["release"] == 2


def test_a_damaged_model_is_built_again(indexed: Store, master: Path) -> None:
    release = Releases(indexed).latest()
    assert release
    cut(indexed, layout.model(release.model["id"], layout.ONNX_VECTORIZER_MODEL))
    reindex(indexed, "repair", full_rebuild=True)
    assert search(indexed, "s", str(master / "coffee_0.jpg"), 1, SETTINGS)["results"]


def flip_in(lake: Store, path: str, word: str) -> None:
    """Flips a bit of a word, such that the document still makes sense."""
    data = lake.read(path)
    assert data.count(word.encode()) >= 1
    flipped = word[:-1] + chr(ord(word[-1]) ^ 1)
    lake.write(path, data.replace(word.encode(), flipped.encode(), 1))


def test_a_flipped_bit_that_makes_two_names_one_is_damage_of_the_release(
    indexed: Store, master: Path
) -> None:
    flip_in(indexed, layout.release(1, layout.CATALOGUE), "coffee_0")
    with pytest.raises(DamagedError, match=layout.CATALOGUE):
        plan(indexed, "r", SETTINGS)
    assert Releases(indexed).latest() is None
    assert reindex(indexed, "next")["images"] == 6


@pytest.mark.parametrize("word", ["broken.jpg", "truncated", '"images": 1'])
def test_a_report_of_a_shard_with_a_flipped_bit_is_not_published(
    indexed: Store, master: Path, word: str
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    (master / "broken.jpg").write_bytes(b"\xff\xd8\xff not really either")
    shard = embed_new(indexed, "r", SETTINGS)
    flip_in(indexed, layout.landing(shard, layout.REJECTED), word)
    with pytest.raises(UserError, match="is not complete; clear its tasks, from etl on"):
        publish(indexed, "r")
    etl(indexed, "r", shard)
    done = publish(indexed, "r")
    assert (done["images"], done["rejected"]) == (7, 1)
    assert done["rejections"][0]["name"] == "broken.jpg"


def test_a_seal_with_a_flipped_bit_seals_nothing(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    shard = embed_new(indexed, "r", SETTINGS)
    vectors = layout.shard_vectors(read_plan(indexed, "r").model, shard)
    flip_in(indexed, vectors + layout.SEAL, '"bytes": 8320')
    with pytest.raises(UserError, match="is not complete; clear its tasks, from etl on"):
        publish(indexed, "r")
    assert reindex(indexed, "next")["images"] == 7


def test_a_plan_with_a_flipped_bit_is_not_followed(indexed: Store, master: Path) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    (part,) = plan(indexed, "r", SETTINGS)["shards"]
    flip_in(indexed, layout.plan("r"), '"max_bytes": 6')
    with pytest.raises(UserError, match="is damaged; start a new run"):
        etl(indexed, "r", part["shard"])
    assert reindex(indexed, "next")["images"] == 7


def test_a_pin_with_a_flipped_bit_does_not_lead_search_elsewhere(
    indexed: Store, master: Path
) -> None:
    save_photo(master / "new.jpg", "coffee", 7)
    reindex(indexed, "second")
    reindex(indexed, "third", full_rebuild=True)
    Releases(indexed).pin(2)
    flip_in(indexed, layout.PIN, '"version": 2')
    with pytest.raises(UserError, match=r"pin\.json is damaged; set it anew"):
        search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)
    Releases(indexed).pin(2)
    assert search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)["release"] == 2


def test_a_damaged_plan_ends_its_run_and_stops_nothing_else(indexed: Store) -> None:
    indexed.write(layout.plan("broken"), b'{"ver')
    with pytest.raises(UserError, match="is damaged; start a new run"):
        plan(indexed, "broken", SETTINGS)
    prune(indexed, RetentionSettings())


def test_a_pin_to_a_release_that_is_gone_says_what_to_do(indexed: Store) -> None:
    write_paper(indexed, layout.PIN, {"version": 99})
    with pytest.raises(UserError, match="pinned to release 99, which is gone"):
        search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)
