import hashlib
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from tasks.errors import UserError
from tasks.etl import etl
from tasks.lake import layout
from tasks.lake.local_store import LocalStore
from tasks.lake.open_store import open_store
from tasks.lake.s3_fetcher import S3Fetcher
from tasks.lake.store import CHUNK, HashingWriter, Store, TransferError
from tasks.plan import plan
from tests.s3_server import S3Server
from tests.tasks.pipeline import attempt, reindex, save_photo, settings_for_tests

READ_AHEAD = 32
TWO_PARTS = 2 * CHUNK // (224 * 224 * 3)  # images, of an upload


def planned_shard(lake: Store, run: str = "r", **settings: Any) -> str:
    (shard,) = plan(lake, run, settings_for_tests(**settings))["shards"]
    return str(shard["shard"])


def array(lake: Store, shard: str, name: str) -> np.ndarray:
    path = lake.local_path(attempt(lake, layout.landing(shard, name)))
    assert path
    return np.asarray(np.load(path, allow_pickle=False))


def rejections(lake: Store, shard: str) -> dict[str, str]:
    report = lake.read_json(layout.landing(shard, layout.REJECTED))
    return {member["name"]: member["reason"] for member in report["rejected"]}


def test_images_become_arrays_whose_rows_belong_together(lake: Store, master: Path) -> None:
    for view, name in enumerate(["b.jpg", "a/z.jpg", "ü 🦊.png"]):
        save_photo(master / name, view=view)
    shard = planned_shard(lake)
    assert etl(lake, "r", shard)["images"] == 3
    assert array(lake, shard, layout.NPY_IMAGE_NAMES).tolist() == ["a/z.jpg", "b.jpg", "ü 🦊.png"]
    pixels = array(lake, shard, layout.NPY_RESIZED_RGB)
    assert (pixels.shape, pixels.dtype) == ((3, 224, 224, 3), np.uint8)
    digests = array(lake, shard, layout.NPY_IMAGE_DIGESTS)
    assert digests[1] == hashlib.sha256((master / "b.jpg").read_bytes()).hexdigest()


def test_the_arrays_hold_rgb(lake: Store, master: Path) -> None:
    import cv2

    red_in_bgr = np.full((50, 60, 3), (0, 0, 255), np.uint8)
    cv2.imwrite(str(master / "red.png"), red_in_bgr)
    shard = planned_shard(lake)
    etl(lake, "r", shard)
    assert (array(lake, shard, layout.NPY_RESIZED_RGB) == (255, 0, 0)).all()


def test_bad_files_are_put_aside_with_their_reason_and_the_rest_goes_on(
    lake: Store, master: Path
) -> None:
    save_photo(master / "good.jpg")
    (master / "empty.jpg").write_bytes(b"")
    (master / "text.jpg").write_text("this is no picture")
    (master / "half.jpg").write_bytes((master / "good.jpg").read_bytes()[:2000])
    (master / "huge.jpg").write_bytes(bytes(200_000))
    shard = planned_shard(lake, limits={"max_bytes": 100_000})
    assert etl(lake, "r", shard)["rejected"] == 4
    reasons = rejections(lake, shard)
    assert "empty" in reasons["empty.jpg"]
    assert "supported" in reasons["text.jpg"]
    assert "truncated" in reasons["half.jpg"]
    assert reasons["huge.jpg"] == "200000 bytes are over the limit of 100000"
    assert array(lake, shard, layout.NPY_IMAGE_NAMES).tolist() == ["good.jpg"]


@pytest.mark.parametrize("bad", ["a.jpg", "m.jpg", "z.jpg"])
def test_rows_stay_in_order_wherever_the_bad_file_lies(lake: Store, master: Path, bad: str) -> None:
    colours = {"b.png": (255, 0, 0), "n.png": (0, 255, 0), "y.png": (0, 0, 255)}
    for name, colour in colours.items():
        PIL.Image.new("RGB", (300, 300), colour).save(master / name)
    (master / bad).write_text("this is no picture")
    shard = planned_shard(lake)
    assert etl(lake, "r", shard)["images"] == 3
    assert array(lake, shard, layout.NPY_IMAGE_NAMES).tolist() == list(colours)
    resized = array(lake, shard, layout.NPY_RESIZED_RGB)
    assert resized[:, 0, 0].tolist() == list(map(list, colours.values()))


def test_a_shard_of_bad_files_alone_is_complete_and_empty(lake: Store, master: Path) -> None:
    (master / "empty.jpg").write_bytes(b"")
    shard = planned_shard(lake)
    assert etl(lake, "r", shard)["images"] == 0
    assert array(lake, shard, layout.NPY_RESIZED_RGB).shape == (0, 224, 224, 3)


def test_a_complete_shard_is_not_done_again(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    shard = planned_shard(lake)
    assert not etl(lake, "r", shard)["already_complete"]
    (master / "a.jpg").unlink()
    summary = etl(lake, "r", shard)
    assert (summary["already_complete"], summary["images"]) == (True, 1)


def test_a_file_that_changes_under_the_run_is_left_out_and_taken_in_by_the_next(
    lake: Store, master: Path
) -> None:
    save_photo(master / "a.jpg", "chelsea")
    save_photo(master / "b.jpg", "coffee")
    planned_shard(lake, "r1")
    times = (master / "a.jpg").stat()
    before = (master / "a.jpg").read_bytes()
    save_photo(master / "a.jpg", "rocket")
    assert reindex(lake, "r1")["images"] == 1
    # Even if the very file that was planned comes back, it is indexed as what it is now.
    (master / "a.jpg").write_bytes(before)
    os.utime(master / "a.jpg", ns=(times.st_atime_ns, times.st_mtime_ns))
    summary = reindex(lake, "r2")
    assert (summary["images"], summary["added"]) == (2, 1)


def test_an_image_in_a_bucket_that_is_emptied_or_cut_under_the_run_is_left_out(
    lake: Store, s3_server: S3Server, tmp_path: Path
) -> None:
    save_photo(tmp_path / "a.jpg")
    photo = (tmp_path / "a.jpg").read_bytes()
    catalogue = open_store(s3_server.new_root())
    for name in ("cut.jpg", "emptied.jpg", "good.jpg"):
        catalogue.write(name, photo)
    shard = planned_shard(lake, catalogue=str(catalogue))
    catalogue.write("cut.jpg", photo[:100])
    catalogue.write("emptied.jpg", b"")
    assert etl(lake, "r", shard)["images"] == 1
    reason = "changed while the run read it"
    assert rejections(lake, shard) == {"cut.jpg": reason, "emptied.jpg": reason}


@pytest.fixture
def large_catalogue(s3_server: S3Server, tmp_path: Path) -> Store:
    """A lake in a bucket, whose catalogue makes several parts of an upload."""
    save_photo(tmp_path / "a.jpg")
    photo = (tmp_path / "a.jpg").read_bytes()
    bucket = open_store(s3_server.new_root())
    for number in range(TWO_PARTS):
        bucket.write(f"{layout.MASTER}/{number:03}.jpg", photo)
    return bucket


def test_a_bad_file_after_the_first_part_of_an_upload_costs_no_good_one(
    large_catalogue: Store,
) -> None:
    large_catalogue.write(f"{layout.MASTER}/z.jpg", b"this is no picture")
    shard = planned_shard(large_catalogue)
    summary = etl(large_catalogue, "r", shard)
    assert (summary["images"], summary["rejected"]) == (TWO_PARTS, 1)
    assert not list(large_catalogue.unfinished(layout.LANDING))


def test_a_catalogue_that_fails_after_the_first_part_leaves_no_upload_behind(
    large_catalogue: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    large_catalogue.write(f"{layout.MASTER}/z.jpg", b"whatever")
    shard = planned_shard(large_catalogue)
    fetch = S3Fetcher.get_start

    def fetch_or_fail(fetcher: S3Fetcher, key: str, size: int) -> Any:
        if key.endswith("z.jpg"):
            raise TransferError("the store does not answer")
        return fetch(fetcher, key, size)

    monkeypatch.setattr(S3Fetcher, "get_start", fetch_or_fail)
    with pytest.raises(TransferError, match="does not answer"):
        etl(large_catalogue, "r", shard)
    assert not list(large_catalogue.unfinished(layout.LANDING))


def test_a_file_that_goes_under_the_run_is_left_out(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    save_photo(master / "b.jpg", view=1)
    save_photo(master / "folder" / "c.jpg", view=2)
    shard = planned_shard(lake)
    (master / "b.jpg").unlink()
    shutil.rmtree(master / "folder")
    (master / "folder").touch()
    assert etl(lake, "r", shard)["images"] == 1
    gone = "gone since the run began"
    assert rejections(lake, shard) == {"b.jpg": gone, "folder/c.jpg": gone}


def test_only_regular_files_of_the_catalogue_are_read(
    lake: Store, master: Path, tmp_path: Path
) -> None:
    save_photo(master / "good.jpg")
    save_photo(tmp_path / "elsewhere" / "private.jpg", view=1)
    (master / "link_out.jpg").symlink_to(tmp_path / "elsewhere" / "private.jpg")
    (master / "link_nowhere.jpg").symlink_to(tmp_path / "nothing")
    (master / "link_folder").symlink_to(tmp_path / "elsewhere")
    (master / "link_inside.jpg").symlink_to(master / "good.jpg")
    (master / "link_loop.jpg").symlink_to(master / "link_loop.jpg")
    os.mkfifo(master / "pipe.jpg")
    shard = planned_shard(lake)
    etl(lake, "r", shard)
    assert array(lake, shard, layout.NPY_IMAGE_NAMES).tolist() == ["good.jpg", "link_inside.jpg"]
    assert set(rejections(lake, shard).values()) == {
        "not a regular file, or a link that leads out of the catalogue"
    }
    # What is put aside for good is not looked at again every night.
    reindex(lake, "r")
    assert not plan(lake, "next", settings_for_tests())["anything_to_do"]


def test_the_original_images_are_not_touched(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in master.rglob("*.jpg")}
    etl(lake, "r", planned_shard(lake))
    assert {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in master.rglob("*")
    } == before


def test_a_run_without_plan_is_an_error(lake: Store) -> None:
    with pytest.raises(UserError, match="run the task `plan` first"):
        etl(lake, "r", "0123")


def test_a_shard_that_the_run_does_not_have_is_an_error(lake: Store, master: Path) -> None:
    save_photo(master / "a.jpg")
    planned_shard(lake)
    with pytest.raises(UserError, match="run r has no shard 0123"):
        etl(lake, "r", "0123")


def test_the_next_files_are_read_meanwhile(
    lake: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(READ_AHEAD, timeout=60)
    read = LocalStore.read_described

    def read_with_others(store: LocalStore, path: str, most: int) -> Any:
        together.wait()
        return read(store, path, most)

    save_photo(master / "00.jpg")
    for number in range(1, READ_AHEAD):
        shutil.copyfile(master / "00.jpg", master / f"{number:02}.jpg")
    shard = planned_shard(lake)
    monkeypatch.setattr(LocalStore, "read_described", read_with_others)
    assert etl(lake, "r", shard)["images"] == READ_AHEAD


def test_nothing_is_read_any_more_when_pixels_cannot_be_written(
    lake: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = HashingWriter.write

    def write_no_pixels(writer: HashingWriter, data: bytes | memoryview) -> int:
        if memoryview(data).nbytes == 224 * 224 * 3:
            raise OSError("the disk is broken")
        return write(writer, data)

    save_photo(master / "0.jpg")
    for number in range(1, 10):
        shutil.copyfile(master / "0.jpg", master / f"{number}.jpg")
    shard, before = planned_shard(lake), set(threading.enumerate())
    monkeypatch.setattr(HashingWriter, "write", write_no_pixels)
    with pytest.raises(OSError, match="broken") as raised:
        etl(lake, "r", shard)
    assert set(threading.enumerate()) == before, raised


def test_pixels_are_written_while_images_are_still_read(
    lake: Store, master: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = threading.Event()
    read, write = LocalStore.read_described, HashingWriter.write

    def read_last_once_something_is_written(store: LocalStore, path: str, most: int) -> Any:
        assert path != "z.jpg" or written.wait(60)
        return read(store, path, most)

    def write_and_tell(writer: HashingWriter, data: bytes | memoryview) -> int:
        if memoryview(data).nbytes == 224 * 224 * 3:
            written.set()
        return write(writer, data)

    for name in ("a.jpg", "b.jpg", "c.jpg", "z.jpg"):
        save_photo(master / name)
    shard = planned_shard(lake)
    monkeypatch.setattr(LocalStore, "read_described", read_last_once_something_is_written)
    monkeypatch.setattr(HashingWriter, "write", write_and_tell)
    assert etl(lake, "r", shard, threads=1)["images"] == 4


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of images that may not be read; root may read anything, whatever their mode."""
    names: set[str] = set()

    def denying(read: Callable[..., Any]) -> Callable[..., Any]:
        def read_or_deny(store: LocalStore, path: str, *arguments: Any) -> Any:
            if path in names:
                raise PermissionError(f"[Errno 13] Permission denied: {path!r}")
            return read(store, path, *arguments)

        return read_or_deny

    for name in ("read_ranges", "read_described"):
        monkeypatch.setattr(LocalStore, name, denying(getattr(LocalStore, name)))
    return names


def test_an_image_that_may_not_be_read_is_put_aside_until_it_may(
    lake: Store, master: Path, unreadable: set[str]
) -> None:
    for view, name in enumerate(["a.jpg", "b.jpg"]):
        save_photo(master / name, view=view)
    unreadable.add("b.jpg")
    first = reindex(lake, "r1")
    assert first["images"] == 1
    assert first["rejections"] == [
        {"name": "b.jpg", "reason": "access to it is denied, or it is archived"}
    ]
    assert not plan(lake, "r2", settings_for_tests())["anything_to_do"]
    unreadable.clear()
    third = reindex(lake, "r3")
    assert (third["images"], third["changed"], third["rejected"]) == (2, 1, 0)


def test_one_new_image_that_may_not_be_read_stops_nothing_and_is_tried_again(
    lake: Store, master: Path, unreadable: set[str]
) -> None:
    save_photo(master / "b.jpg")
    reindex(lake, "r1")
    save_photo(master / "a.jpg", view=1)
    unreadable.add("a.jpg")
    assert reindex(lake, "r2")["rejected"] == 1
    unreadable.clear()
    assert reindex(lake, "r3")["images"] == 2


def test_access_denied_to_everything_ends_the_task(
    lake: Store, master: Path, unreadable: set[str]
) -> None:
    for view, name in enumerate(["a.jpg", "b.jpg"]):
        save_photo(master / name, view=view)
    shard = planned_shard(lake)
    unreadable |= {"a.jpg", "b.jpg"}
    with pytest.raises(PermissionError, match=r"denied to every image tried, .*a\.jpg"):
        etl(lake, "r", shard)
    assert not lake.exists(layout.landing(shard, layout.REJECTED))
