import hashlib
from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.vectorizer import network_file
from tasks.vectorizer.network import Network
from tasks.vectorizer.network_file import fetch_network, network_sha256

DATA = b"a network, let us say"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(DATA)
    return path


def test_a_file_is_fetched_and_compared_with_its_digest(file: Path, tmp_path: Path) -> None:
    assert network_sha256(file.as_uri()) == SHA256
    fetched = fetch_network(Network(file=file.as_uri(), sha256=SHA256), tmp_path)
    assert (fetched.suffix, fetched.read_bytes()) == (".onnx", DATA)


def test_another_file_than_was_pinned_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"has SHA-256 {SHA256}, not 0{{64}}"):
        fetch_network(Network(file=str(file), sha256="0" * 64), tmp_path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.onnx cannot be read"):
        network_sha256(str(tmp_path / "gone.onnx"))


def test_no_more_is_read_than_a_network_has(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_file, "_LARGEST", len(DATA) - 1)
    with pytest.raises(UserError, match="has more than 20 bytes; refused"):
        network_sha256(str(file))
