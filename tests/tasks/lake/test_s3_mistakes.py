"""Mistakes about a bucket that trying again cannot put right, and what is said of them."""

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.lake.open_store import open_store
from tasks.lake.s3_files import S3Files
from tasks.lake.s3_store import open_s3_files
from tasks.lake.store import TransferError


@pytest.fixture(autouse=True)
def _access_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keys that nobody knows; and no file system that is open already, with what it was told."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    S3Files.clear_instance_cache()
    yield
    S3Files.clear_instance_cache()


@pytest.fixture
def tls_endpoint(tmp_path: Path) -> Iterator[str]:
    """A server whose certificate nobody vouches for."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
            *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with http.server.HTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler, bind_and_activate=False
    ) as server:
        server.server_bind()
        server.server_activate()
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_unknown_authority_is_told_at_once(
    tls_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", tls_endpoint)
    with pytest.raises(UserError, match=r"certificate is not trusted .* set AWS_CA_BUNDLE"):
        open_store("s3://bucket/prefix")


def test_a_bundle_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "lab.pem"))
    with pytest.raises(UserError, match=r"AWS_CA_BUNDLE names .*lab\.pem, which is no file"):
        open_store("s3://bucket/prefix")


def test_a_bundle_without_a_certificate_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab.pem").write_text("no PEM")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "lab.pem"))
    with pytest.raises(UserError, match=r"lab\.pem, which holds no certificates .* a PEM file"):
        open_store("s3://bucket/prefix")


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("AWS_ENDPOINT_URL", "localhost:8333", "Invalid endpoint: localhost:8333"),
    ],
)
def test_a_variable_that_makes_no_sense_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=rf"{complaint}.*; check .* AWS_ENDPOINT_URL"):
        open_store("s3://bucket/prefix")


def test_a_connection_that_is_refused_names_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TransferError, match=r"http://127\.0\.0\.1:1/.*; check AWS_ENDPOINT_URL"):
        open_store("s3://bucket/prefix")


def test_a_uri_without_a_bucket_says_so() -> None:
    with pytest.raises(UserError, match="names no bucket; give s3://bucket"):
        open_store("s3://")


@pytest.mark.parametrize("attempts", ["many", "0", "-1", "", "1.5"])
def test_a_number_of_attempts_that_is_none_is_told(
    attempts: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", attempts)
    with pytest.raises(UserError, match=r"AWS_MAX_ATTEMPTS is '.*'; give a whole number"):
        open_store("s3://bucket/prefix")


def test_what_was_opened_with_other_attempts_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    for attempts in ("2", "4", "4"):
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", attempts)
        opened.append(open_s3_files("s3://bucket")[0])
    assert opened[0] is not opened[1]
    assert opened[1] is opened[2]
