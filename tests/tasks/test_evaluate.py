import json
from pathlib import Path

import numpy as np
import pytest

from tasks import release_drift
from tasks.contract import file_result
from tasks.errors import UserError
from tasks.etl import etl
from tasks.evaluate import evaluate, gate
from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import DamagedError, Store
from tasks.plan import plan
from tasks.prune import prune
from tasks.publish import publish
from tests.tasks.pipeline import (
    NOTHING_STAYS,
    reindex,
    save_photo,
    seal_vectors,
    settings_for_tests,
)

LABELS = {
    "cats/chelsea_0.jpg": "cat",
    "cats/chelsea_1.png": "cat",
    "coffee_0.jpg": "coffee",
    "coffee_1.jpg": "coffee",
    "rocket/rocket_0.jpg": "rocket",
    "rocket/rocket_1.jpg": "rocket",
}


@pytest.fixture
def labels(indexed: Store) -> str:
    rows = "".join(f"{name},{label}\n" for name, label in LABELS.items())
    indexed.write("labels.csv", f"name,label\n{rows}".encode())
    return indexed.uri("labels.csv")


def ruin(lake: Store, vectors: np.ndarray, run: str = "ruined") -> int:
    """Publishes the same images with other vectors, as a broken model would, held back."""
    settings = settings_for_tests()
    planned = plan(lake, run, settings, full_rebuild=True)
    reindexed = [shard["shard"] for shard in planned["shards"]]
    assert len(reindexed) == 1
    etl(lake, run, reindexed[0])
    seal_vectors(lake, planned["model"], reindexed[0], vectors)
    return int(publish(lake, run, held=True)["version"])


def good_vectors(lake: Store) -> np.ndarray:
    release = Releases(lake).latest()
    assert release
    path = lake.local_path(release.artifacts[layout.NPY_IMAGE_VECTORS].path)
    assert path
    return np.load(path)


def test_figures_are_printed_and_left_with_the_release(indexed: Store, labels: str) -> None:
    summary = evaluate(indexed, settings_for_tests(), labels=labels)
    assert (summary["queries"], summary["precision_at_1"]) == (6, 1.0)
    stored = indexed.read_json(layout.release(1, layout.EVALUATION))
    assert stored["mean_average_precision"] == summary["mean_average_precision"]
    assert set(stored["by_label"]) == {"cat", "coffee", "rocket"}
    low, high = stored["intervals"]["precision_at_1"]
    assert low <= stored["precision_at_1"] <= high


def test_folders_can_be_labels(indexed: Store) -> None:
    summary = evaluate(indexed, settings_for_tests(), labels="folders")
    assert (summary["images"], summary["queries"]) == (4, 4)


def test_the_report_needs_nothing_from_elsewhere(
    indexed: Store, labels: str, tmp_path: Path
) -> None:
    evaluate(indexed, settings_for_tests(), labels=labels, output=tmp_path / "report")
    found = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert found["queries"] == 6
    page = (tmp_path / "report" / "report.html").read_text()
    assert page.count("<svg") == 3
    assert 'src="http' not in page and "<script" not in page
    assert (tmp_path / "report" / "mismatches.png").read_bytes().startswith(b"\x89PNG")


def test_labels_that_name_no_images_are_refused(indexed: Store) -> None:
    indexed.write("labels.csv", b"name,label\nelsewhere.jpg,a\nother.jpg,a\n")
    with pytest.raises(
        UserError, match=r"0 of 6 images of release 1 have a label.*such as 'cats/chelsea_0.jpg'"
    ):
        evaluate(indexed, settings_for_tests(), labels=indexed.uri("labels.csv"))


def test_a_release_is_held_until_the_gate_accepts_it(indexed: Store, labels: str) -> None:
    version = ruin(indexed, good_vectors(indexed))
    releases = Releases(indexed)
    current = releases.current()
    assert current
    assert current.version == 1
    settings = settings_for_tests(gate={"labels": labels})
    assert gate(indexed, settings, run="", version=version)["mean_average_precision"] == 1.0
    current = releases.current()
    assert current
    assert current.version == version
    assert indexed.exists(layout.release(version, layout.EVALUATION))


def test_the_gate_holds_back_a_release_whose_vectors_are_shuffled(
    indexed: Store, labels: str
) -> None:
    version = ruin(indexed, np.roll(good_vectors(indexed), 1, axis=0))
    reason = "mean average precision fell"
    with pytest.raises(UserError, match=f"held back: {reason}"):
        gate(indexed, settings_for_tests(gate={"labels": labels}), version)
    releases = Releases(indexed)
    current = releases.current()
    assert current
    assert current.version == 1
    assert reason in str(releases.held(version))
    prune(indexed, NOTHING_STAYS)
    assert releases.current() == current
    releases.accept(version)
    accepted = releases.current()
    assert accepted
    assert accepted.version == version


def test_without_labels_the_gate_counts_neighbours_that_changed(
    indexed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of six images, each is among the ten nearest neighbours of each.
    monkeypatch.setattr(release_drift, "_NEIGHBOURS", 1)
    same = ruin(indexed, good_vectors(indexed))
    assert gate(indexed, settings_for_tests(), same)["neighbours_changed"] == 0


def test_without_labels_the_gate_holds_back_shuffled_vectors(
    indexed: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release_drift, "_NEIGHBOURS", 1)
    shuffled = ruin(indexed, np.roll(good_vectors(indexed), 1, axis=0))
    with pytest.raises(UserError, match="of the nearest neighbours of unchanged images changed"):
        gate(indexed, settings_for_tests(), shuffled)
    current = Releases(indexed).current()
    assert current
    assert current.version == 1


def test_an_image_without_a_direction_does_not_hold_back_what_follows(indexed: Store) -> None:
    vectors = good_vectors(indexed)
    vectors[2] = 0
    Releases(indexed).accept(ruin(indexed, vectors))
    version = ruin(indexed, vectors, "next")
    assert gate(indexed, settings_for_tests(), version)["least_cosine"] > 0.99


def test_search_stays_on_a_pinned_release_whatever_is_judged_and_accepted(
    indexed: Store, labels: str
) -> None:
    releases = Releases(indexed)
    releases.pin(1)
    version = ruin(indexed, good_vectors(indexed))
    settings = settings_for_tests(gate={"labels": labels})
    assert gate(indexed, settings, version)["compared_with"] == 1
    assert (releases.held(version), releases.pinned()) == (None, 1)
    current = releases.current()
    assert current
    assert current.version == 1


def test_the_gate_accepts_more_images_however_hard_they_are(
    indexed: Store, labels: str, master: Path
) -> None:
    save_photo(master / "new.jpg", "brick", 1)
    settings = settings_for_tests(gate={"labels": labels})
    version = reindex(indexed, "second")["version"]
    Releases(indexed).hold(version, "it has not been evaluated yet")
    assert gate(indexed, settings, version)["mean_average_precision"] == 1.0


def test_a_release_that_nobody_has_judged_is_judged_by_the_next_run(
    indexed: Store, labels: str
) -> None:
    version = ruin(indexed, good_vectors(indexed))  # and the run ended there
    planned = plan(indexed, "night", settings_for_tests())
    assert (planned["anything_to_do"], planned["held"], planned["shards"]) == (True, True, [])
    published = publish(indexed, "night", held=True)
    file_result(indexed, "night", "publish", None, published)
    assert (published["version"], published["already_complete"]) == (version, True)
    assert gate(indexed, settings_for_tests(gate={"labels": labels}), run="night")
    current = Releases(indexed).current()
    assert current
    assert current.version == version
    assert not plan(indexed, "next-night", settings_for_tests())["anything_to_do"]


def test_labels_of_other_images_are_told(
    indexed: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("name,label\ncoffee_0.jpg,a\ncoffee_1.jpg,a\n./rocket.jpg,b\n")
    assert evaluate(indexed, settings_for_tests(), labels=str(path))["images"] == 2
    assert "1 of 3 labels are of images that the release does not have, such as './rock" in (
        caplog.text
    )


def test_images_that_are_all_labelled_anew_do_not_stop_the_gate(
    indexed: Store, master: Path
) -> None:
    for view in range(2):
        save_photo(master / f"brick_{view}.jpg", "brick", view)
    indexed.write("labels.csv", b"name,label\nbrick_0.jpg,a\nbrick_1.jpg,a\n")
    version = reindex(indexed, "second")["version"]
    Releases(indexed).hold(version, "it has not been evaluated yet")
    settings = settings_for_tests(gate={"labels": indexed.uri("labels.csv")})
    assert "neighbours_changed" in gate(indexed, settings, version)
    assert Releases(indexed).held(version) is None


@pytest.mark.parametrize("gated", [False, True])
def test_figures_are_never_made_of_damaged_vectors(
    indexed: Store, labels: str, gated: bool
) -> None:
    version = ruin(indexed, good_vectors(indexed))
    release = Releases(indexed).get(version)
    assert release
    path = release.artifacts[layout.NPY_IMAGE_VECTORS].path
    data = bytearray(indexed.read(path))
    data[-1] ^= 0x40
    indexed.write(path, bytes(data))
    with pytest.raises(DamagedError, match="row 5 is another one"):
        if gated:
            gate(indexed, settings_for_tests(), version)
        else:
            evaluate(indexed, settings_for_tests(), labels=labels, version=version)
    assert Releases(indexed).held(version)
