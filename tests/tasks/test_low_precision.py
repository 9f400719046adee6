import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks.processes import cost_of, task
from tasks.calibration import sample_pictures
from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.low_precision import add_low_precision
from tasks.plan import plan
from tasks.run_plan import read_plan
from tasks.search import search
from tasks.settings import PipelineSettings
from tests.tasks.conftest import copy_lake
from tests.tasks.pipeline import embed_new, save_photo, settings_for_tests
from tests.tasks.precision import Elsewhere, card_of, make_release, replace_the_probe

SETTINGS = settings_for_tests(pipeline={"precision": "int8"})


@pytest.fixture(scope="module")
def int8_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose release was made in int8. Do not change it."""
    folder = tmp_path_factory.mktemp("int8")
    make_release(folder, SETTINGS)
    return folder


@pytest.fixture
def int8(int8_once: Path, tmp_path: Path) -> Store:
    copy_lake(int8_once, tmp_path / "lake")
    return open_store((tmp_path / "lake").as_uri())


def test_the_card_tells_how_near_int8_is_to_float32(int8: Store) -> None:
    card = card_of(int8)
    assert card.precision == "int8"
    assert card.low_precision
    assert 1 > card.low_precision.mean_cosine >= 0.995
    assert card.low_precision.lowest_cosine <= card.low_precision.mean_cosine
    forms = card.artifacts
    assert forms[layout.ONNX_INT8_MODEL].bytes < 0.3 * forms[layout.ONNX_VECTORIZER_WEIGHTS].bytes


def test_a_release_made_in_int8_is_searched_in_int8(int8: Store, tmp_path: Path) -> None:
    release = Releases(int8).current()
    assert release
    assert release.pipeline["precision"] == release.model["precision"] == "int8"
    save_photo(tmp_path / "query.jpg", "coffee", view=0)
    settings = settings_for_tests(query_prefixes=[str(tmp_path)])  # which say float32
    answer = search(int8, "s", str(tmp_path / "query.jpg"), 2, settings)
    assert [hit["name"] for hit in answer["results"]] == ["coffee_0.jpg", "coffee_1.jpg"]
    assert answer["results"][0]["score"] == pytest.approx(1, abs=1e-4)


def test_a_cold_search_in_int8_holds_at_most_220_mb(int8: Store, tmp_path: Path) -> None:
    save_photo(tmp_path / "query.jpg", "coffee", view=0)
    command = task("search", "--lake", str(int8), "--no-picture", "--query")
    cost = cost_of(
        [*command, str(tmp_path / "query.jpg")],
        {"IMAGE_SEARCH_QUERY_PREFIXES": json.dumps([str(tmp_path)])},
    )
    assert cost.megabytes <= 220


def test_a_machine_whose_arithmetic_is_another_refuses_to_work(int8: Store) -> None:
    replace_the_probe(int8)
    master = int8.local_path("master")
    assert master
    save_photo(master / "new.jpg", "coffee", view=7)
    with pytest.raises(UserError, match="this machine computes other vectors"):
        embed_new(int8, "second", SETTINGS)


def test_an_int8_form_other_than_that_of_releases_is_refused(int8: Store) -> None:
    card = card_of(int8)
    path = layout.model(card.id, layout.ONNX_INT8_MODEL)
    int8.write(path, int8.read(path) + b"\0")
    plan(int8, "again", SETTINGS, full_rebuild=True)
    with pytest.raises(UserError, match="cannot be made again as releases have it"):
        add_low_precision(int8, read_plan(int8, "again"), card, Elsewhere(), SETTINGS)
    assert not int8.exists(path)


def test_an_int8_form_far_from_float32_is_refused(int8: Store) -> None:
    plan(int8, "again", SETTINGS, full_rebuild=True)
    card = card_of(int8)
    with pytest.raises(UserError, match="int8 is too far from float32 for ResNet50"):
        add_low_precision(int8, read_plan(int8, "again"), card, Elsewhere(), SETTINGS)
    assert not int8.exists(layout.model(card.id, layout.MODEL_CARD))


def test_what_was_calibrated_otherwise_is_another_model_to_its_vectors(int8: Store) -> None:
    card = card_of(int8)
    form = card.artifacts[layout.ONNX_INT8_MODEL]
    changed = {layout.ONNX_INT8_MODEL: type(form)(form.path, form.bytes, "0" * 64)}
    other = card.model_copy(update={"artifacts": card.artifacts | changed})
    assert other.identity != card.identity


def test_the_sample_follows_from_the_catalogue_and_the_setting(int8: Store) -> None:
    samples = []
    for run, number in (("a", 0), ("b", 0), ("c", 1)):
        pipeline = {"precision": "int8", "calibration": number}
        plan(int8, run, settings_for_tests(pipeline=pipeline), full_rebuild=True)
        samples.append(sample_pictures(int8, read_plan(int8, run)))
    assert samples[0].shape == (12, 224, 224, 3)
    assert np.array_equal(samples[0], samples[1])
    assert not np.array_equal(samples[0], samples[2])
    assert np.array_equal(np.sort(samples[0].sum((1, 2, 3))), np.sort(samples[2].sum((1, 2, 3))))


def test_where_nothing_changed_the_sample_is_of_the_release(int8: Store) -> None:
    assert not plan(int8, "r", SETTINGS)["anything_to_do"]
    assert len(sample_pictures(int8, read_plan(int8, "r"))) == 12


def test_too_few_pictures_to_calibrate_on_are_told(lake: Store, master: Path) -> None:
    for view in range(11):
        save_photo(master / f"{view}.jpg", view=view)
    for name in ("0.jpg", "1.jpg"):
        (master / name).write_bytes(b"\xff\xd8\xff not really")
    plan(lake, "r", SETTINGS)
    with pytest.raises(UserError, match=r"10 at least, and 9 can be used"):
        sample_pictures(lake, read_plan(lake, "r"))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"precision": "bfloat16", "runtime": "onnx"}, "onnx does not compute in bfloat16"),
        ({"precision": "int8", "runtime": "keras"}, "keras does not compute in int8"),
        ({"precision": "int8", "runtime": "openvino"}, "openvino does not compute in int8"),
        ({"precision": "float16"}, "precision"),
    ],
)
def test_a_precision_that_nothing_computes_is_refused(
    setting: dict[str, str], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        PipelineSettings.model_validate(setting)
