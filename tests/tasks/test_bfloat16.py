from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.low_precision import add_low_precision
from tasks.plan import plan
from tasks.run_plan import read_plan
from tasks.search import search
from tests.tasks.conftest import copy_lake
from tests.tasks.pipeline import embed_new, save_photo, settings_for_tests
from tests.tasks.precision import Elsewhere, card_of, make_release, replace_the_probe
from tests.tasks.vectorizer.test_openvino_vectorizer import HAS_BFLOAT16

pytestmark = pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no bfloat16")

SETTINGS = settings_for_tests(pipeline={"precision": "bfloat16"})


@pytest.fixture(scope="module")
def bfloat16_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake whose release was made in bfloat16. Do not change it."""
    folder = tmp_path_factory.mktemp("bfloat16")
    make_release(folder, SETTINGS)
    return folder


@pytest.fixture
def bfloat16(bfloat16_once: Path, tmp_path: Path) -> Store:
    copy_lake(bfloat16_once, tmp_path / "lake")
    return open_store((tmp_path / "lake").as_uri())


def test_the_card_tells_how_near_bfloat16_is_to_float32(bfloat16: Store) -> None:
    card = card_of(bfloat16)
    assert card.precision == "bfloat16"
    assert card.software["openvino"]
    assert card.low_precision
    assert 1 > card.low_precision.mean_cosine >= card.low_precision.lowest_cosine >= 0.998
    assert card.low_precision.images == 12
    assert layout.ONNX_INT8_MODEL not in card.artifacts


def test_a_release_made_in_bfloat16_is_searched_in_bfloat16(
    bfloat16: Store, tmp_path: Path
) -> None:
    release = Releases(bfloat16).current()
    assert release
    assert release.pipeline["precision"] == release.model["precision"] == "bfloat16"
    save_photo(tmp_path / "query.jpg", "coffee", view=0)
    settings = settings_for_tests(query_prefixes=[str(tmp_path)])  # which say float32
    answer = search(bfloat16, "s", str(tmp_path / "query.jpg"), 2, settings)
    assert [hit["name"] for hit in answer["results"]] == ["coffee_0.jpg", "coffee_1.jpg"]
    assert answer["results"][0]["score"] == pytest.approx(1, abs=1e-5)


def test_a_machine_that_rounds_otherwise_refuses_to_work(bfloat16: Store) -> None:
    replace_the_probe(bfloat16)
    master = bfloat16.local_path("master")
    assert master
    save_photo(master / "new.jpg", "coffee", view=7)
    with pytest.raises(UserError, match="this machine computes other vectors"):
        embed_new(bfloat16, "second", SETTINGS)


def test_a_network_that_bfloat16_changes_too_much_is_refused(bfloat16: Store) -> None:
    plan(bfloat16, "again", SETTINGS, full_rebuild=True)
    card = card_of(bfloat16)
    with pytest.raises(UserError, match=r"bfloat16 is too far from float32 for ResNet50 \(lowest"):
        add_low_precision(bfloat16, read_plan(bfloat16, "again"), card, Elsewhere(), SETTINGS)
    assert not bfloat16.exists(layout.model(card.id, layout.MODEL_CARD))
