import base64
import struct
import zlib
from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.lake.store import Store
from tasks.page.missing import MissingError
from tasks.page.uploads import Uploads
from tasks.settings import Settings


@pytest.fixture
def uploads(lake: Store, settings: Settings) -> Uploads:
    return Uploads(lake, settings.page)


def send(uploads: Uploads, data: bytes, part: int = 1000) -> str:
    token = str(uploads.begin()["upload"])
    for start in range(0, len(data), part):
        uploads.add(token, base64.b64encode(data[start : start + part]).decode())
    return token


def test_a_picture_is_left_with_its_run_under_a_random_name(
    uploads: Uploads, lake: Store, photos: tuple[str, ...]
) -> None:
    data = lake.read(f"master/{photos[0]}")
    uris = [uploads.finish(send(uploads, data), "run-1")["query_image"] for _ in range(2)]
    assert uris[0] != uris[1]
    for uri in uris:
        assert uri.startswith(lake.uri("runs/run-1/query/"))
        assert uri.endswith(".jpg")
        assert Path(uri.removeprefix("file://")).read_bytes() == data


def claims(width: int, height: int) -> bytes:
    """A PNG of some bytes that claims a size."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg/>',
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a/*\x00\x00*/=1;alert(1)//",
        b"%PDF-1.4 /Image",
        b"PK\x03\x04 archive",
        claims(50_000, 50_000),
        claims(400, 400),
    ],
    ids=["empty", "svg", "entity", "html", "script", "pdf", "zip", "bomb", "too many pixels"],
)
def test_what_is_no_picture_or_too_large_a_one_is_refused_and_not_stored(
    uploads: Uploads, lake: Store, data: bytes
) -> None:
    with pytest.raises(UserError, match="this cannot be used"):
        uploads.finish(send(uploads, data), "run-1")
    assert not list(lake.objects("runs"))


def test_too_many_bytes_are_refused_while_they_arrive(uploads: Uploads) -> None:
    token = str(uploads.begin()["upload"])
    part = base64.b64encode(bytes(60_000)).decode()
    uploads.add(token, part)
    with pytest.raises(UserError, match="larger than 100000 bytes"):
        uploads.add(token, part)
    with pytest.raises(MissingError):
        uploads.finish(token, "run-1")


@pytest.mark.parametrize("run", ["../../etc", "a/b", "", ".hidden", "x" * 300])
def test_no_run_id_leads_out_of_the_runs(
    uploads: Uploads, lake: Store, photos: tuple[str, ...], run: str
) -> None:
    token = send(uploads, lake.read(f"master/{photos[0]}"))
    with pytest.raises(UserError, match="cannot be the id of a run"):
        uploads.finish(token, run)


def test_of_too_many_uploads_at_once_the_oldest_is_given_up(uploads: Uploads) -> None:
    tokens = [str(uploads.begin()["upload"]) for _ in range(17)]
    with pytest.raises(MissingError, match="given up"):
        uploads.add(tokens[0], "")
    assert uploads.add(tokens[1], "") == {"bytes": 0}
