from tasks.lake.seals import break_seal, seal, sealed
from tasks.lake.store import Store


def test_an_artifact_is_complete_once_it_is_sealed(store: Store) -> None:
    artifact = store.write("a.npy", b"content")
    assert sealed(store, "a.npy") is None
    seal(store, artifact)
    assert sealed(store, "a.npy") == artifact


def test_an_artifact_of_another_size_is_not_complete(store: Store) -> None:
    seal(store, store.write("a.npy", b"content"))
    store.write("a.npy", b"cont")
    assert sealed(store, "a.npy") is None


def test_a_seal_without_its_artifact_is_nothing(store: Store) -> None:
    seal(store, store.write("a.npy", b"content"))
    store.delete("a.npy")
    assert sealed(store, "a.npy") is None


def test_a_damaged_seal_is_none(store: Store) -> None:
    seal(store, store.write("a.npy", b"content"))
    store.write("a.npy.seal.json", b'{"path"')
    assert sealed(store, "a.npy") is None


def test_a_seal_of_another_artifact_is_none(store: Store) -> None:
    seal(store, store.write("a.npy", b"content"))
    store.write("b.npy", b"content")
    store.write("b.npy.seal.json", store.read("a.npy.seal.json"))
    assert sealed(store, "b.npy") is None


def test_a_broken_seal_leaves_the_artifact_incomplete(store: Store) -> None:
    seal(store, store.write("a.npy", b"content"))
    break_seal(store, "a.npy")
    assert sealed(store, "a.npy") is None
    break_seal(store, "a.npy")
