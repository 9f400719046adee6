import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tasks.errors import UserError
from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import DamagedError, Store
from tasks.search import search
from tasks.searcher import Searcher
from tests.tasks.pipeline import reindex, save_photo, settings_for_tests

SETTINGS = settings_for_tests()


def hits(lake: Store, query: str, n: int = 3) -> list[str]:
    return [hit["name"] for hit in search(lake, "s", query, n, SETTINGS)["results"]]


def test_an_image_of_the_catalogue_finds_itself_first_with_score_1(indexed: Store) -> None:
    summary = search(indexed, "s", "coffee_0.jpg", 2, SETTINGS)
    first, second = summary["results"]
    assert (first["rank"], first["name"]) == (1, "coffee_0.jpg")
    assert first["score"] == pytest.approx(1, abs=1e-6)
    assert (second["rank"], second["name"]) == (2, "coffee_1.jpg")
    assert second["score"] < 0.999


def test_the_same_picture_from_outside_finds_the_same(indexed: Store, master: Path) -> None:
    by_name = search(indexed, "s", "coffee_0.jpg", 6, SETTINGS)["results"]
    by_file = search(indexed, "s", str(master / "coffee_0.jpg"), 6, SETTINGS)["results"]
    assert [hit["name"] for hit in by_file] == [hit["name"] for hit in by_name]
    assert [hit["score"] for hit in by_file] == pytest.approx(
        [hit["score"] for hit in by_name], abs=1e-5
    )


def test_a_new_view_of_a_photo_finds_the_views_of_that_photo(indexed: Store, master: Path) -> None:
    save_photo(master / "query.jpg", "rocket", view=5)
    assert set(hits(indexed, (master / "query.jpg").as_uri(), 2)) == {
        "rocket/rocket_0.jpg",
        "rocket/rocket_1.jpg",
    }


def test_a_query_in_memory_is_bgr_as_in_the_original(indexed: Store, master: Path) -> None:
    engine = Searcher(indexed, SETTINGS).engine
    query = cv2.imread(str(master / "cats" / "chelsea_1.png"))
    (score, name), *_ = engine.most_similar(query, n=1)
    assert name == "cats/chelsea_1.png"
    assert score == pytest.approx(1, abs=1e-5)
    (swapped, _), *_ = engine.most_similar(np.ascontiguousarray(query[..., ::-1]), n=1)
    assert swapped < 0.99


def test_the_answer_is_stored_with_the_run_as_data_and_as_a_picture(indexed: Store) -> None:
    summary = search(indexed, "s", "coffee_0.jpg", 3, SETTINGS)
    assert summary["result_json"] == indexed.uri("runs/s/result.json")
    assert json.loads(indexed.read("runs/s/result.json"))["results"] == summary["results"]
    picture = Image.open(io.BytesIO(indexed.read("runs/s/result.png")))
    assert picture.width > 600


def test_every_hit_has_the_uri_of_its_original(indexed: Store, master: Path) -> None:
    (hit,) = search(indexed, "s", "cats/chelsea_0.jpg", 1, SETTINGS)["results"]
    assert hit["uri"] == f"file://{master}/cats/chelsea_0.jpg"


def test_more_hits_than_images_are_all_images(indexed: Store) -> None:
    assert len(hits(indexed, "coffee_0.jpg", 1000)) == 6


@pytest.mark.parametrize("n", [0, -1])
def test_fewer_than_one_hit_is_refused(indexed: Store, n: int) -> None:
    with pytest.raises(UserError, match="ask for 1 or more"):
        search(indexed, "s", "coffee_0.jpg", n, SETTINGS)
    assert not indexed.exists("runs/s/result.json")


def test_searching_before_any_release_says_what_to_do(lake: Store) -> None:
    with pytest.raises(UserError, match=r"no release .* run image_reindex first"):
        search(lake, "s", "a.jpg", 1, SETTINGS)


def test_a_wrong_name_is_told_the_names_that_are_close(indexed: Store) -> None:
    with pytest.raises(UserError, match=r"did you mean .*'coffee_0\.jpg'"):
        search(indexed, "s", "coffee_O.jpg", 1, SETTINGS)


def test_a_file_that_is_not_there_is_an_error(indexed: Store, master: Path) -> None:
    with pytest.raises(UserError, match="neither an image of the release nor a file"):
        search(indexed, "s", str(master / "nothing.jpg"), 1, SETTINGS)


def test_who_wants_no_picture_gets_none(indexed: Store) -> None:
    summary = search(indexed, "s", "coffee_0.jpg", 2, SETTINGS, picture=False)
    assert len(summary["results"]) == 2
    assert summary["result_png"] == ""
    assert not indexed.exists(layout.run("s", "result.png"))


def test_a_file_that_is_no_picture_is_an_error(indexed: Store, master: Path) -> None:
    with pytest.raises(UserError, match=r"broken\.jpg cannot be used: .*; give another picture"):
        search(indexed, "s", str(master / "broken.jpg"), 1, SETTINGS)


def test_a_query_longer_than_any_path_is_an_error(indexed: Store) -> None:
    with pytest.raises(UserError, match="no image is named 'yyy"):
        search(indexed, "s", "y" * 5000, 1, SETTINGS)


def test_an_empty_query_is_an_error(indexed: Store) -> None:
    with pytest.raises(UserError, match="no query image"):
        search(indexed, "s", " ", 1, SETTINGS)


def test_a_picture_outside_the_allowed_folders_is_not_read(indexed: Store, tmp_path: Path) -> None:
    save_photo(tmp_path / "private" / "secret.jpg")
    with pytest.raises(UserError, match=r"is not under .* query_prefixes"):
        search(indexed, "s", str(tmp_path / "private" / "secret.jpg"), 1, SETTINGS)
    allowing = settings_for_tests(query_prefixes=[str(tmp_path / "private")])
    assert search(indexed, "s", str(tmp_path / "private" / "secret.jpg"), 1, allowing)["results"]


def test_a_hit_whose_file_is_gone_is_still_a_hit(indexed: Store, master: Path) -> None:
    (master / "coffee_1.jpg").unlink()
    assert hits(indexed, "coffee_1.jpg", 2) == ["coffee_1.jpg", "coffee_0.jpg"]


def test_search_stays_on_the_pinned_release(indexed: Store, master: Path) -> None:
    save_photo(master / "coffee_2.jpg", "coffee", 6)
    reindex(indexed, "second")
    assert search(indexed, "s", "coffee_2.jpg", 1, SETTINGS)["release"] == 2
    Releases(indexed).pin(1)
    assert search(indexed, "s", "coffee_0.jpg", 1, SETTINGS)["release"] == 1
    with pytest.raises(UserError, match=r"no image is named 'coffee_2\.jpg'"):
        search(indexed, "s", "coffee_2.jpg", 1, SETTINGS)


def test_model_and_preprocessing_are_those_of_the_release_not_of_the_settings(
    indexed: Store, master: Path
) -> None:
    other = settings_for_tests(pipeline={"backbone": "DenseNet121"}, limits={"max_pixels": 1})
    summary = search(indexed, "s", str(master / "coffee_0.jpg"), 1, other)
    assert summary["results"][0]["score"] == pytest.approx(1, abs=1e-5)


def test_a_damaged_model_is_an_error_not_an_answer(indexed: Store, master: Path) -> None:
    release = Releases(indexed).latest()
    assert release
    path = release.model["artifacts"][layout.ONNX_VECTORIZER_MODEL]["path"]
    indexed.write(path, indexed.read(path)[:-10])
    with pytest.raises(DamagedError, match=r"vectorizer_model.onnx is damaged"):
        search(indexed, "s", str(master / "coffee_0.jpg"), 1, SETTINGS)


@pytest.mark.parametrize(("threshold", "warned"), [(1.1, True), (-1.0, False), (None, False)])
def test_a_best_score_that_is_usually_wrong_is_warned_of(
    indexed: Store, threshold: float | None, warned: bool
) -> None:
    indexed.write_json(
        layout.release(1, layout.EVALUATION), {"calibration": {"usually_wrong_below": threshold}}
    )
    summary = search(indexed, "s", "coffee_0.jpg", 3, settings_for_tests())
    assert summary["warning"].startswith("No close match") == warned


def test_hits_further_down_do_not_hide_that_the_first_is_usually_wrong(indexed: Store) -> None:
    calibration = {"calibration": {"usually_wrong_below": 0.5}}
    indexed.write_json(layout.release(1, layout.EVALUATION), calibration)
    searcher = Searcher(indexed, SETTINGS)
    assert searcher.warning_of("a.jpg", [(1.0, "a.jpg"), (0.4, "b.jpg"), (0.6, "c.jpg")])
    assert not searcher.warning_of("a.jpg", [(1.0, "a.jpg"), (0.6, "c.jpg"), (0.4, "b.jpg")])
