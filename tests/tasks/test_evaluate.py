import json
from pathlib import Path

import numpy as np
import pytest

from tasks import release_drift
from tasks.errors import UserError
from tasks.etl import etl
from tasks.evaluate import evaluate, gate
from tasks.lake import layout
from tasks.lake.releases import Releases
from tasks.lake.store import Store
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


def ruin(lake: Store, vectors: np.ndarray) -> int:
    """Publishes the same images with other vectors, as a broken model would, held back."""
    settings = settings_for_tests()
    planned = plan(lake, "ruined", settings, full_rebuild=True)
    reindexed = [shard["shard"] for shard in planned["shards"]]
    assert len(reindexed) == 1
    etl(lake, "ruined", reindexed[0])
    seal_vectors(lake, planned["model"], reindexed[0], vectors)
    return int(publish(lake, "ruined", held=True)["version"])


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
    with pytest.raises(UserError, match="no two images of release 1 have the same label"):
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


def test_the_gate_accepts_more_images_however_hard_they_are(
    indexed: Store, labels: str, master: Path
) -> None:
    save_photo(master / "new.jpg", "brick", 1)
    settings = settings_for_tests(gate={"labels": labels})
    version = reindex(indexed, "second")["version"]
    Releases(indexed).hold(version, "it has not been evaluated yet")
    assert gate(indexed, settings, version)["mean_average_precision"] == 1.0
