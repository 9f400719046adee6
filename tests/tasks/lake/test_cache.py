import os
from pathlib import Path

import pytest

from tasks.lake import cache
from tasks.lake.cache import local_file, local_files
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


def test_files_that_belong_together_lie_beside_each_other_under_their_own_names(
    store: Store, tmp_path: Path
) -> None:
    graph = store.write("model/a/m.onnx", b"graph")
    weights = [store.write("model/a/m.data", content) for content in (b"some", b"others")]
    if not store.local_path(""):
        store.write("model/a/m.data", b"some")
        some = local_files(store, [graph, weights[0]], tmp_path / "cache")[0]
        store.write("model/a/m.data", b"others")
        others = local_files(store, [graph, weights[1]], tmp_path / "cache")[0]
        assert (some.parent / "m.data").read_bytes() == b"some"
        assert (others.parent / "m.data").read_bytes() == b"others"
        return
    files = local_files(store, [graph, weights[1]], tmp_path / "cache")
    assert files == [files[0].parent / "m.onnx", files[0].parent / "m.data"]


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
    assert not list((tmp_path / "cache").glob("artifacts/*/*"))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_what_was_used_least_recently_goes_when_there_is_too_much(
    remote: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifacts = {name: remote.write(name, name.encode() * 100) for name in ("a", "b", "c")}
    for hour, name in enumerate(("a", "b"), start=1):
        os.utime(local_file(remote, artifacts[name], tmp_path), (hour, hour))
    left_by_a_kill = tmp_path / "artifacts" / "0.part"
    left_by_a_kill.write_bytes(b"")
    os.utime(left_by_a_kill, (1, 1))
    monkeypatch.setattr(cache, "_given", set())  # as in a process that begins
    local_file(remote, artifacts["a"], tmp_path, 250)
    monkeypatch.setattr(cache, "_given", set())
    local_file(remote, artifacts["c"], tmp_path, 250)
    assert names(tmp_path) == {"a", "c"}


def test_what_this_process_uses_stays(remote: Store, tmp_path: Path) -> None:
    for name in ("a", "b"):
        local_file(remote, remote.write(name, name.encode()), tmp_path, 0)
    assert names(tmp_path) == {"a", "b"}
