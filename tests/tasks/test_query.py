import os
from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.query import is_written_as_place, read_query


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "allowed").mkdir()
    (tmp_path / "allowed" / "a b%20ü.jpg").write_bytes(b"picture")
    (tmp_path / "allowed-not").mkdir()
    (tmp_path / "allowed-not" / "a.jpg").write_bytes(b"secret")
    return tmp_path


def test_a_file_is_read_by_path_and_by_uri(folder: Path) -> None:
    path = folder / "allowed" / "a b%20ü.jpg"
    for uri in (str(path), f"file://{path}"):
        assert read_query(uri, (str(folder / "allowed"),), 100) == b"picture"


def test_nothing_is_read_where_nothing_is_allowed(folder: Path) -> None:
    with pytest.raises(UserError, match="is not under"):
        read_query(str(folder / "allowed" / "a b%20ü.jpg"), (), 100)


@pytest.mark.parametrize(
    "escape", ["allowed-not/a.jpg", "allowed/../allowed-not/a.jpg", "allowed/link.jpg"]
)
def test_no_way_leads_out_of_the_allowed_folder(folder: Path, escape: str) -> None:
    (folder / "allowed" / "link.jpg").symlink_to(folder / "allowed-not" / "a.jpg")
    with pytest.raises(UserError, match="is not under"):
        read_query(f"file://{folder}/{escape}", (str(folder / "allowed"),), 100)


def test_another_kind_of_store_is_not_allowed_by_a_folder(folder: Path) -> None:
    with pytest.raises(UserError, match="is not under"):
        read_query(f"memory://{folder}/allowed/a.jpg", (str(folder / "allowed"),), 100)


@pytest.mark.parametrize("uri", ["simplecache::file:///etc/passwd", "zip://a::file:///b.zip"])
def test_file_systems_are_not_chained(uri: str) -> None:
    with pytest.raises(UserError, match="chains file systems"):
        read_query(uri, ("/",), 100)


def test_an_unknown_scheme_is_an_error(folder: Path) -> None:
    with pytest.raises(UserError, match="cannot read gopher://x"):
        read_query("gopher://x", (str(folder),), 100)


def test_a_pipe_is_an_error_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    with pytest.raises(UserError, match="is not a file"):
        read_query(str(folder / "pipe.jpg"), (str(folder),), 100)


def test_a_folder_is_an_error(folder: Path) -> None:
    with pytest.raises(UserError, match="is not a file"):
        read_query(str(folder / "allowed"), (str(folder),), 100)


def test_no_more_is_read_than_the_limit(folder: Path) -> None:
    uri = str(folder / "allowed" / "a b%20ü.jpg")
    assert read_query(uri, (str(folder),), 7) == b"picture"
    with pytest.raises(UserError, match="larger than 6 bytes"):
        read_query(uri, (str(folder),), 6)


def test_a_signed_uri_that_is_refused_is_told_without_its_signature(folder: Path) -> None:
    uri = "https://bot:hunter2@b.s3.amazonaws.com/x.jpg?X-Amz-Signature=hunter2"
    with pytest.raises(UserError, match=r"https://b\.s3\.amazonaws\.com/x\.jpg is") as caught:
        read_query(uri, (str(folder),), 100)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("s3://bucket/a.jpg", True),
        ("/a.jpg", True),
        ("./a.jpg", True),
        ("../a.jpg", True),
        ("~/a.jpg", True),
        ("a.jpg", False),
        ("folder/a.jpg", False),
        (".a.jpg", False),
    ],
)
def test_a_place_is_told_from_a_name_by_how_it_is_written(query: str, place: bool) -> None:
    assert is_written_as_place(query) == place
