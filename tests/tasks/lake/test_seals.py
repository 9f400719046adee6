from tasks.lake.seals import Seal, break_seal, new_attempt, read_seal, seal, sealed
from tasks.lake.store import Artifact, Store

PATH = "shard/a.npy"


def complete(store: Store, source: str = "images") -> Artifact:
    artifact = store.write(new_attempt(PATH), b"content")
    seal(store, PATH, artifact, source)
    return artifact


def test_an_artifact_is_complete_once_it_is_sealed(store: Store) -> None:
    artifact = store.write(new_attempt(PATH), b"content")
    assert sealed(store, PATH, "images") is None
    seal(store, PATH, artifact, "images")
    assert sealed(store, PATH, "images") == artifact
    assert read_seal(store, PATH) == Seal(artifact, "images")


def test_an_artifact_made_from_something_else_is_not_complete(store: Store) -> None:
    complete(store)
    assert sealed(store, PATH, "other images") is None


def test_no_attempt_writes_where_another_one_did(store: Store) -> None:
    first, second = complete(store), complete(store)
    assert first.path != second.path
    assert store.read(first.path) == store.read(second.path) == b"content"
    assert sealed(store, PATH, "images") == second


def test_an_artifact_of_another_size_is_not_complete(store: Store) -> None:
    store.write(complete(store).path, b"cont")
    assert sealed(store, PATH, "images") is None


def test_a_seal_without_its_artifact_is_nothing(store: Store) -> None:
    store.delete(complete(store).path)
    assert sealed(store, PATH, "images") is None


def test_a_damaged_seal_is_none(store: Store) -> None:
    complete(store)
    store.write("shard/a.npy.seal.json", b'{"path"')
    assert sealed(store, PATH, "images") is None


def test_a_seal_of_another_artifact_is_none(store: Store) -> None:
    complete(store)
    store.write("shard/b.npy.seal.json", store.read("shard/a.npy.seal.json"))
    store.write("other/a.npy.seal.json", store.read("shard/a.npy.seal.json"))
    assert read_seal(store, "shard/b.npy") is None
    assert read_seal(store, "other/a.npy") is None


def test_a_broken_seal_leaves_the_artifact_incomplete(store: Store) -> None:
    complete(store)
    break_seal(store, PATH)
    assert sealed(store, PATH, "images") is None
    break_seal(store, PATH)
