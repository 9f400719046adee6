import hashlib
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tasks.errors import UserError
from tasks.lake.open_store import open_store
from tasks.lake.store import CHUNK, DamagedError, NotAnObjectError, Store, digest_as_listed
from tests.s3_server import S3Server


def test_an_object_is_read_as_it_was_written(store: Store) -> None:
    store.write("a/b.bin", b"content")
    assert store.read("a/b.bin") == b"content"


def test_writing_reports_size_and_digest(store: Store) -> None:
    artifact = store.write("a/b.bin", b"content")
    assert (artifact.path, artifact.bytes) == ("a/b.bin", 7)
    assert artifact.sha256 == hashlib.sha256(b"content").hexdigest() == store.digest("a/b.bin")


def test_a_second_write_replaces_the_first(store: Store) -> None:
    store.write("a.bin", b"first and longer")
    store.write("a.bin", b"second")
    assert store.read("a.bin") == b"second"


def test_a_json_document_comes_back(store: Store) -> None:
    store.write_json("a.json", {"ü": [1, None]})
    assert store.read_json("a.json") == {"ü": [1, None]}


def test_an_object_exists_only_once_written(store: Store) -> None:
    assert not store.exists("a/b.bin")
    store.write("a/b.bin", b"")
    assert store.exists("a/b.bin")
    assert not store.exists("a")


def test_what_a_killed_writer_left_is_no_object_and_can_be_discarded(
    lake: Store, tmp_path: Path
) -> None:
    left = tmp_path / "a" / f".{'0' * 32}.part"
    left.parent.mkdir()
    left.write_bytes(b"half")
    assert not list(lake.objects())
    (item,) = lake.unfinished("a")
    lake.discard_unfinished(item)
    assert not left.exists()


def test_a_part_of_somebody_else_is_an_object_like_any_other(lake: Store) -> None:
    lake.write("a/movie.part", b"")
    assert [item.path for item in lake.objects()] == ["a/movie.part"]
    assert not list(lake.unfinished("a"))


def test_what_a_killed_trial_of_exclusive_create_leaves_is_found_and_removed(
    store: Store,
) -> None:
    store.create(f"releases/.{'0' * 32}.part", b"first")
    store.write("releases/000001/manifest.json", b"{}")
    (item,) = store.unfinished("releases")
    store.discard_unfinished(item)
    assert not list(store.unfinished("releases"))
    assert [item.path for item in store.objects("releases")] == ["releases/000001/manifest.json"]


def test_a_multipart_upload_that_was_begun_is_found_and_aborted(
    bucket: Store, s3_server: S3Server
) -> None:
    root = str(bucket).removeprefix("s3://")
    name, _, prefix = root.partition("/")
    s3_server.files.call_s3("create_multipart_upload", Bucket=name, Key=f"{prefix}/a/b.bin")
    (item,) = bucket.unfinished("a")
    assert item.path == "a/b.bin"
    assert not list(bucket.unfinished("b"))
    bucket.discard_unfinished(item)
    assert not list(bucket.unfinished("a"))


def test_an_upload_that_fails_is_aborted(store: Store) -> None:
    with pytest.raises(RuntimeError), store.writing("a/b.bin") as stream:
        for _ in range(3):
            stream.write(bytes(CHUNK))
        raise RuntimeError
    assert not list(store.unfinished("a"))


def test_a_long_listing_comes_page_by_page(bucket: Store, s3_server: S3Server) -> None:
    names = {f"a/{number:04d}" for number in range(1_100)}
    prefix = str(bucket).removeprefix("s3://")
    s3_server.files.pipe({f"{prefix}/{name}": b"" for name in names})
    assert {item.path for item in bucket.objects("a")} == names


def test_an_interrupted_write_leaves_the_old_object_and_nothing_else(
    lake: Store, tmp_path: Path
) -> None:
    lake.write("a.bin", b"old")
    with pytest.raises(RuntimeError), lake.writing("a.bin") as stream:
        stream.write(b"new, but")
        raise RuntimeError
    assert lake.read("a.bin") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_reader_sees_nothing_before_the_writer_is_done(lake: Store) -> None:
    with lake.writing("a.bin") as stream:
        stream.write(b"half")
        assert not lake.exists("a.bin")
    assert lake.exists("a.bin")


def test_create_wins_once(store: Store) -> None:
    assert store.create("a.json", b"first")
    assert not store.create("a.json", b"second")
    assert store.read("a.json") == b"first"


def test_of_many_that_create_at_once_exactly_one_wins(lake: Store) -> None:
    start = threading.Barrier(16)
    won = []

    def race(number: int) -> None:
        start.wait()
        if lake.create("a.json", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number).encode() for number in won] == [lake.read("a.json")]


def test_deleting_what_is_gone_is_no_error(store: Store) -> None:
    store.write("a.bin", b"")
    store.delete("a.bin")
    store.delete("a.bin")
    assert not store.exists("a.bin")


def test_deleting_the_last_object_of_a_folder_removes_the_folder(lake: Store) -> None:
    lake.write("a/b/c.bin", b"")
    lake.write("a/d.bin", b"")
    lake.delete("a/b/c.bin")
    assert lake.folders("a") == []
    assert lake.folders("") == ["a"]


def test_writing_and_deleting_in_one_folder_do_not_get_in_each_others_way(lake: Store) -> None:
    def write_and_delete(name: str) -> None:
        for _ in range(50):
            lake.write(f"a/b/{name}", b"")
            lake.delete(f"a/b/{name}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_and_delete, "abcd"))
    assert not list(lake.objects())


def test_ranges_are_cut_out_in_the_order_asked_for(store: Store) -> None:
    store.write("a.bin", bytes(range(100)))
    assert store.read_range("a.bin", 3, 6) == b"\x03\x04\x05"
    assert store.read_ranges("a.bin", [(90, 92), (0, 1)]) == [b"\x5a\x5b", b"\x00"]


@pytest.mark.parametrize("most", [0, 1, 7, 100])
def test_what_is_read_is_described_as_it_is_listed(store: Store, most: int) -> None:
    store.write("a/b.bin", b"content")
    (listed,) = store.objects()
    data, found = store.read_described("a/b.bin", most)
    assert store.reader_of_many()("a/b.bin", most) == (data, found)
    assert (data, found.fingerprint, found.bytes) == (b"content"[:most], listed.fingerprint, 7)


def test_an_empty_object_is_described_too(store: Store) -> None:
    store.write("a.bin", b"")
    data, found = store.read_described("a.bin", 10)
    assert (data, found.bytes) == (b"", 0)


def test_what_is_missing_cannot_be_described(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read_described("a.bin", 10)


def test_artifacts_are_whole_if_all_have_their_size(store: Store) -> None:
    first, second = store.write("a/1.bin", b"1"), store.write("a/b/2.bin", b"22")
    assert store.all_whole("a", [first, second])
    store.write("a/b/2.bin", b"2")
    assert not store.all_whole("a", [first, second])


def test_a_large_object_is_read_from_front_to_back_in_parts(bucket: Store) -> None:
    data = os.urandom(3 * CHUNK + 5)
    bucket.write("a.bin", data)
    with bucket.open("a.bin") as stream:
        assert stream.read(10) == data[:10]
        assert stream.tell() == 10
        assert stream.read() == data[10:]
        assert stream.read(1) == b""


def test_an_object_that_is_replaced_while_it_is_read_is_an_error(bucket: Store) -> None:
    bucket.write("a.bin", os.urandom(5 * CHUNK))
    with bucket.open("a.bin") as stream:
        bucket.write("a.bin", os.urandom(5 * CHUNK))
        with pytest.raises(OSError, match="replaced while it was read"):
            stream.read()


def test_nothing_lies_beyond_the_end_of_an_object(store: Store) -> None:
    store.write("empty.bin", b"")
    store.write("short.bin", b"ab")
    assert store.read_range("empty.bin", 0, 5) == b""
    assert store.read_ranges("short.bin", [(0, 5), (2, 5), (4, 5)]) == [b"ab", b"", b""]


def test_a_name_may_look_like_a_version_of_another_one(store: Store) -> None:
    names = ["cat.jpg", "cat.jpg?versionId=1", "cats?versionId=/null"]
    for name in names:
        store.write(name, name.encode())
    assert sorted(item.path for item in store.objects()) == names
    for name in names:
        assert store.read(name) == store.read_range(name, 0, 99) == name.encode()
        assert store.stat(name).bytes == len(name)
        assert store.digest(name) == hashlib.sha256(name.encode()).hexdigest()
    store.delete("cat.jpg?versionId=1")
    assert store.exists("cat.jpg")
    assert not store.exists("cat.jpg?versionId=1")


def test_objects_are_listed_at_any_depth_with_their_size(store: Store) -> None:
    for name in ("a/b/c d.bin", "a/b-c.bin", "z.bin"):
        store.write(name, name.encode())
    assert {item.path: item.bytes for item in store.objects()} == {
        "a/b/c d.bin": 11,
        "a/b-c.bin": 9,
        "z.bin": 5,
    }
    assert [item.path for item in store.objects("a/b")] == ["a/b/c d.bin"]


def test_a_folder_that_is_not_there_lists_as_empty(store: Store) -> None:
    assert not list(store.objects("nothing"))
    assert not store.folders("nothing")


def test_folders_are_listed_by_name(store: Store) -> None:
    for name in ("r/000002/a", "r/000001/a", "r/file"):
        store.write(name, b"")
    assert store.folders("r") == ["000001", "000002"]


def test_the_fingerprint_changes_with_the_content(lake: Store, tmp_path: Path) -> None:
    lake.write("a.bin", b"one")
    os.utime(tmp_path / "a.bin", (1, 1))
    before = lake.stat("a.bin")
    lake.write("a.bin", b"two")
    assert lake.stat("a.bin").fingerprint != before.fingerprint


def test_the_listing_and_stat_agree_on_the_fingerprint(store: Store) -> None:
    store.write("a/b.bin", b"content")
    (listed,) = store.objects()
    assert listed.path == "a/b.bin"
    assert listed.fingerprint == store.stat("a/b.bin").fingerprint


def test_an_object_that_is_used_again_is_as_new_as_now(lake: Store, tmp_path: Path) -> None:
    lake.write("a.bin", b"content")
    os.utime(tmp_path / "a.bin", (0, 0))
    lake.refresh("a.bin")
    assert lake.stat("a.bin").modified > 0


def test_using_an_object_again_leaves_its_content(store: Store) -> None:
    store.write("a.bin", b"content")
    store.refresh("a.bin")
    assert store.read("a.bin") == b"content"
    store.refresh("gone.bin")
    assert not store.exists("gone.bin")


def test_uploading_a_file_stores_its_content(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "local"
    file.write_bytes(b"content")
    assert store.upload("a/b.bin", file).sha256 == store.digest("a/b.bin")


@pytest.mark.parametrize("path", ["../secret", "a/../../secret", "/etc/passwd"])
def test_a_path_cannot_lead_out_of_the_store(store: Store, path: str) -> None:
    with pytest.raises(NotAnObjectError, match="leads out of its folder"):
        store.read(path)


def test_a_root_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist or is no folder; create it"):
        open_store((tmp_path / "nothing").as_uri())


def test_an_unknown_kind_of_root_is_refused() -> None:
    with pytest.raises(UserError, match="cannot open gopher://"):
        open_store("gopher://lake")


def test_no_root_is_refused() -> None:
    with pytest.raises(UserError, match="IMAGE_SEARCH_LAKE"):
        open_store("")


def test_only_a_local_store_has_local_paths(store: Store) -> None:
    assert (store.local_path("a") is None) != str(store).startswith("file://")


def test_the_digest_of_a_listed_object_is_that_of_its_content(store: Store) -> None:
    store.write("a", b"one")
    (listed,) = store.objects()
    assert digest_as_listed(store, "a", listed.fingerprint) == store.digest("a")


def test_an_object_that_was_replaced_since_it_was_listed_has_no_digest(store: Store) -> None:
    store.write("a", b"one")
    (listed,) = store.objects()
    store.write("a", b"other")
    assert digest_as_listed(store, "a", listed.fingerprint) is None


def test_another_object_that_is_there_only_while_it_is_read_has_no_digest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not store.local_path("a") and not str(store).startswith("s3:"):
        pytest.skip("streams of this store do not say what they read")
    store.write("a", b"one")
    if file := store.local_path("a"):
        os.utime(file, (1, 1))
    (listed,) = store.objects()
    really_open = store.open

    @contextmanager
    def open_another(path: str) -> Iterator[IO[bytes]]:
        store.write(path, b"two")
        with really_open(path) as stream:
            yield stream
            store.write(path, b"one")
            if file:
                os.utime(file, (1, 1))

    monkeypatch.setattr(store, "open", open_another)
    assert digest_as_listed(store, "a", listed.fingerprint) is None
    assert store.stat("a").fingerprint == listed.fingerprint


def test_whatever_a_reader_makes_of_damage_it_is_damage(store: Store) -> None:
    artifact = store.write("a", b"sound")
    store.write("a", b"other")
    with pytest.raises(DamagedError, match="digest"), store.open_verified(artifact):
        raise SyntaxError("nothing to make of it")


def test_what_fails_on_a_sound_object_fails_as_it_does(store: Store) -> None:
    artifact = store.write("a", b"sound")
    for failure in (SyntaxError("my own"), FileNotFoundError("of something else")):
        with pytest.raises(type(failure), match=str(failure)), store.open_verified(artifact):
            raise failure
