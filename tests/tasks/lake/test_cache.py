from pathlib import Path

import pytest

from tasks.lake.cache import local_file
from tasks.lake.store import DamagedError, Store


def test_an_artifact_is_a_local_file_with_its_content(store: Store, tmp_path: Path) -> None:
    artifact = store.write("a/model.onnx", b"content")
    assert local_file(store, artifact, tmp_path / "cache").read_bytes() == b"content"


def test_an_artifact_of_a_local_lake_is_not_copied(lake: Store, tmp_path: Path) -> None:
    artifact = lake.write("a/model.onnx", b"content")
    assert local_file(lake, artifact, tmp_path / "cache") == tmp_path / "a" / "model.onnx"


def test_a_fetched_artifact_is_kept(store: Store, tmp_path: Path) -> None:
    artifact = store.write("model.onnx", b"content")
    kept = local_file(store, artifact, tmp_path / "cache")
    if store.local_path(""):
        return
    store.delete("model.onnx")
    assert local_file(store, artifact, tmp_path / "cache") == kept


def test_a_missing_artifact_is_an_error(store: Store, tmp_path: Path) -> None:
    artifact = store.write("model.onnx", b"content")
    store.delete("model.onnx")
    with pytest.raises(DamagedError, match="missing"):
        local_file(store, artifact, tmp_path / "cache")


def test_a_damaged_artifact_is_refused_and_not_kept(store: Store, tmp_path: Path) -> None:
    artifact = store.write("model.onnx", b"content")
    store.write("model.onnx", b"changed!")
    with pytest.raises(DamagedError, match="damaged"):
        local_file(store, artifact, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("artifacts/*"))
