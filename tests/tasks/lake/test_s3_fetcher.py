"""Objects fetched by obstore, beside what s3fs says of them."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import UNSIGNED
from obstore.store import S3Store as ObstoreStore

from tasks.lake import s3_fetcher
from tasks.lake.open_store import open_store
from tasks.lake.s3_fetcher import Place
from tasks.lake.s3_files import S3Files
from tasks.lake.s3_store import S3Store
from tasks.lake.store import Store, StoredObject
from tests.certificates import certificate_in
from tests.s3_server import ACCESS_KEY, BUCKET, SECRET_KEY, S3Server, running_s3_server

Reader = Callable[[str, int], tuple[bytes, StoredObject]]
# Taken by keys of S3, and of a meaning of their own in URLs, shells or other stores.
NAMES = [
    "a.jpg",
    "ä ö/ü#1?.jpg",
    "100%.jpg",
    "a%2Fb%20c.jpg",
    "a+b&c=d.jpg",
    "~x*'(),;:@[]<>|^`{}.jpg",
    "back\\slash.jpg",
    "x?versionId=3.jpg",
    "日本/trailing /.hidden",
]
NOT_BY_OBSTORE = ["tab\t.jpg", "line\n.jpg", "two//slashes.jpg"]


@pytest.fixture
def reader(bucket: Store) -> Reader:
    return bucket.reader_of_many()


@pytest.fixture
def only_obstore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where s3fs is asked to fetch what obstore cannot."""

    def fail(*_: Any) -> None:
        raise AssertionError("s3fs was asked")

    monkeypatch.setattr(s3_fetcher, "get_start", fail)


@pytest.fixture
def by_s3fs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that s3fs has been asked for instead."""
    paths: list[str] = []
    get_start = s3_fetcher.get_start

    def noting(files: S3Files, path: str, size: int) -> Any:
        paths.append(path)
        return get_start(files, path, size)

    monkeypatch.setattr(s3_fetcher, "get_start", noting)
    return paths


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that obstore has been asked for."""
    keys: list[str] = []
    get = ObstoreStore.get

    def counting(store: ObstoreStore, key: str, **options: Any) -> Any:
        keys.append(key)
        return get(store, key, **options)

    monkeypatch.setattr(ObstoreStore, "get", counting)
    return keys


@pytest.mark.usefixtures("only_obstore")
@pytest.mark.parametrize("name", NAMES)
def test_obstore_fetches_what_s3fs_reads(bucket: Store, reader: Reader, name: str) -> None:
    bucket.write(name, name.encode())
    assert reader(name, 1000) == bucket.read_described(name, 1000)
    assert reader(name, 3) == bucket.read_described(name, 3)


@pytest.mark.parametrize("name", NOT_BY_OBSTORE)
def test_names_that_obstore_does_not_take_are_read_by_s3fs(
    bucket: Store, reader: Reader, by_s3fs: list[str], name: str
) -> None:
    bucket.write(name, b"content")
    assert reader(name, 1000) == bucket.read_described(name, 1000)
    assert by_s3fs[0].endswith(f"/{name}")


@pytest.mark.parametrize("most", [0, 10])
def test_an_empty_object_is_read_too(bucket: Store, reader: Reader, most: int) -> None:
    bucket.write("a.jpg", b"")
    assert reader("a.jpg", most) == bucket.read_described("a.jpg", most)


def test_what_is_missing_is_told_by_s3fs(reader: Reader) -> None:
    with pytest.raises(FileNotFoundError):
        reader("a.jpg", 10)


def test_names_that_lead_out_are_refused(reader: Reader) -> None:
    with pytest.raises(OSError, match="leads out of its folder"):
        reader("../a.jpg", 10)


def test_obstore_that_keeps_failing_is_not_asked_forever(
    bucket: Store,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries = []

    def fail(*arguments: Any, **_: Any) -> None:
        tries.append(arguments)
        raise OSError("of whatever kind")

    monkeypatch.setattr(ObstoreStore, "get", fail)
    bucket.write("a.jpg", b"content")
    for _ in range(100):
        assert reader("a.jpg", 10)[0] == b"content"
    assert len(tries) < 50
    (warning,) = caplog.messages
    assert "obstore keeps failing: of whatever kind" in warning


def test_obstore_that_fails_now_and_then_is_asked_again(
    bucket: Store, reader: Reader, asked: list[str]
) -> None:
    names = {"a.jpg": b"content", "empty.jpg": b""}
    for name, data in names.items():
        bucket.write(name, data)
    for _ in range(30):
        for name in names:
            reader(name, 10)
    assert len(asked) == 60


def test_where_obstore_cannot_be_opened_s3fs_reads(
    bucket: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no certificates")

    monkeypatch.setattr(s3_fetcher, "S3Store", fail)
    bucket.write("a.jpg", b"content")
    assert bucket.reader_of_many()("a.jpg", 10)[0] == b"content"
    assert "obstore cannot be used: no certificates" in caplog.text


def test_credentials_are_not_asked_for_with_each_object(
    bucket: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    credentials = s3_fetcher._credentials  # pylint: disable=protected-access  # who is asked

    def counting(files: S3Files) -> Any:
        given.append(files)
        return credentials(files)

    monkeypatch.setattr(s3_fetcher, "_credentials", counting)
    reader = bucket.reader_of_many()
    bucket.write("a.jpg", b"content")
    until = time.monotonic() + 0.5  # where they are due, it waits a tenth of that
    while time.monotonic() < until:
        reader("a.jpg", 10)
    assert len(given) == 1


def test_what_is_missing_is_no_fault_of_obstore(reader: Reader, asked: list[str]) -> None:
    for _ in range(100):
        with pytest.raises(FileNotFoundError):
            reader("a.jpg", 10)
    assert len(asked) == 100


@pytest.mark.parametrize("wrong", [b"kontent", b"conten", b"content and more"])
def test_without_tls_what_was_changed_on_its_way_is_fetched_again(
    bucket: Store, reader: Reader, monkeypatch: pytest.MonkeyPatch, wrong: bytes
) -> None:
    get = ObstoreStore.get

    class Changed:
        """An answer with another body."""

        def __init__(self, answer: Any) -> None:
            self.meta = answer.meta

        def bytes(self) -> bytes:
            return wrong

    monkeypatch.setattr(ObstoreStore, "get", lambda *given, **more: Changed(get(*given, **more)))
    bucket.write("a.jpg", b"content")
    assert reader("a.jpg", 100)[0] == b"content"


@pytest.fixture
def tls_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """A server by TLS, whose authority only `AWS_CA_BUNDLE` knows."""
    certificate = certificate_in(tmp_path / "certificate")
    with running_s3_server(tmp_path / "store", certificate=certificate) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        S3Files.clear_instance_cache()
        yield server
        S3Files.clear_instance_cache()


@pytest.mark.usefixtures("only_obstore")
def test_an_authority_of_ones_own_is_trusted_by_obstore_too(tls_server: S3Server) -> None:
    bucket = open_store(tls_server.new_root())
    bucket.write("a.jpg", b"content")
    assert bucket.reader_of_many()("a.jpg", 100) == bucket.read_described("a.jpg", 100)


def test_a_server_of_another_authority_is_not_trusted(
    tls_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = certificate_in(tmp_path / "other").authority
    files = S3Files(
        endpoint_url=tls_server.endpoint,
        client_kwargs={"verify": str(other)},
        skip_instance_cache=True,
    )
    fetcher = s3_fetcher.S3Fetcher(files, BUCKET)

    def fail(*_: Any) -> None:
        raise LookupError

    monkeypatch.setattr(s3_fetcher, "get_start", fail)
    with pytest.raises(LookupError) as caught:
        fetcher.get_start("a.jpg", 10)
    assert "invalidcertificate" in str(caught.value.__context__).lower()


@pytest.mark.parametrize(
    "options",
    [
        {"client_kwargs": {"verify": False}},
        {"config_kwargs": {"proxies": {"http": "http://127.0.0.1:9"}}},
        {"s3_additional_kwargs": {"SSECustomerAlgorithm": "AES256"}},
    ],
)
def test_what_obstore_would_not_know_of_is_not_asked_of_it(
    s3_server: S3Server, options: dict[str, Any]
) -> None:
    files = S3Files(endpoint_url=s3_server.endpoint, skip_instance_cache=True, **options)
    with pytest.raises(ValueError, match=r"not to be verified|in its configuration"):
        s3_fetcher.S3Fetcher(files, BUCKET)


@pytest.mark.usefixtures("only_obstore")
@pytest.mark.parametrize("how", ["key", "client_kwargs"])
def test_keys_of_a_configuration_win_over_others(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    bucket = configured(s3_server, how)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "of somebody else")
    bucket.write("a.jpg", b"content")
    assert bucket.reader_of_many()("a.jpg", 100)[0] == b"content"


@pytest.mark.usefixtures("only_obstore")
@pytest.mark.parametrize("configured_too", [False, True])
def test_the_endpoint_is_that_of_s3fs(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, *, configured_too: bool
) -> None:
    """An Airflow connection sets this variable; a configuration wins over it."""
    endpoint = "http://127.0.0.1:9" if configured_too else s3_server.endpoint
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    root = s3_server.new_root().removeprefix("s3://")
    bucket = (
        configured(s3_server, "key")
        if configured_too
        else S3Store(S3Files(skip_instance_cache=True), root)
    )
    bucket.write("a.jpg", b"content")
    assert bucket.reader_of_many()("a.jpg", 100)[0] == b"content"


@pytest.mark.parametrize(
    ("options", "sent", "not_sent"),
    [
        ({"anon": True}, [], ["authorization", "x-amz-security-token"]),
        ({"config_kwargs": {"signature_version": UNSIGNED}}, [], ["authorization"]),
        (
            {"key": "k", "secret": "s", "token": "t", "requester_pays": True},
            ["authorization", "x-amz-security-token", "x-amz-request-payer"],
            [],
        ),
    ],
)
def test_requests_are_signed_as_those_of_s3fs(
    refusing_server: tuple[str, list[set[str]]],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    sent: list[str],
    not_sent: list[str],
) -> None:
    endpoint, requests = refusing_server
    files = S3Files(endpoint_url=endpoint, skip_instance_cache=True, **options)
    monkeypatch.setattr(s3_fetcher, "get_start", lambda *_: (b"", {}))
    s3_fetcher.S3Fetcher(files, BUCKET).get_start("a.jpg", 10)
    (headers,) = requests
    assert set(sent) <= headers
    assert not headers & set(not_sent)


@pytest.fixture
def refusing_server() -> Iterator[tuple[str, list[set[str]]]]:
    """A server that refuses everything, and the names of the headers that it was sent."""
    requests: list[set[str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        """Notes the headers."""

        def do_GET(self) -> None:  # pylint: disable=invalid-name  # as the library asks for it
            """Answers a GET."""
            requests.append({name.lower() for name in self.headers})
            self.send_error(http.HTTPStatus.FORBIDDEN)

        def log_request(self, *_: Any) -> None:
            """Says nothing."""

        def log_error(self, *_: Any) -> None:
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()


@pytest.mark.parametrize(
    ("region", "style", "place"),
    [
        ("eu-central-1", "auto", "https://images.s3.eu-central-1.amazonaws.com"),
        ("eu-central-1", "path", "https://s3.eu-central-1.amazonaws.com/images"),
        ("cn-north-1", "auto", "https://images.s3.cn-north-1.amazonaws.com.cn"),
    ],
)
def test_a_bucket_of_amazon_is_where_s3fs_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, region: str, style: str, place: str
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    files = S3Files(
        key="any",
        secret="any",
        client_kwargs={"region_name": region},
        config_kwargs={"s3": {"addressing_style": style}},
        skip_instance_cache=True,
    )
    assert s3_fetcher.S3Fetcher(files, "images").place == Place(place, region)


def configured(server: S3Server, how: str) -> Store:
    """Opens a bucket with endpoint and keys of a configuration."""
    given: dict[str, Any] = {"key": ACCESS_KEY, "secret": SECRET_KEY}
    if how == "client_kwargs":
        given = {
            "client_kwargs": {
                "aws_access_key_id": ACCESS_KEY,
                "aws_secret_access_key": SECRET_KEY,
            }
        }
    files = S3Files(endpoint_url=server.endpoint, skip_instance_cache=True, **given)
    return S3Store(files, server.new_root().removeprefix("s3://"))
