"""Objects fetched by obstore, beside what s3fs says of them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from obstore.store import S3Store as ObstoreStore

from tasks.lake import s3_fetcher
from tasks.lake.open_store import open_store
from tasks.lake.s3_files import S3Files
from tasks.lake.s3_store import S3Store
from tasks.lake.store import Store, StoredObject
from tests.certificates import certificate_in
from tests.s3_server import ACCESS_KEY, SECRET_KEY, S3Server, running_s3_server

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
def test_names_that_obstore_does_not_take_are_read_too(
    bucket: Store, reader: Reader, name: str
) -> None:
    bucket.write(name, b"content")
    assert reader(name, 1000) == bucket.read_described(name, 1000)


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


def test_obstore_that_always_fails_is_not_asked_forever(
    bucket: Store, reader: Reader, monkeypatch: pytest.MonkeyPatch
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


def test_without_that_authority_obstore_sends_nothing(
    tls_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = open_store(tls_server.new_root())
    bucket.write("a.jpg", b"content")
    monkeypatch.delenv("AWS_CA_BUNDLE")
    reader = bucket.reader_of_many()
    monkeypatch.setattr(s3_fetcher, "get_start", lambda *_: (b"by s3fs", {"size": 7}))
    assert reader("a.jpg", 100)[0] == b"by s3fs"


@pytest.mark.usefixtures("s3_server", "only_obstore")
def test_keys_of_a_configuration_are_used_as_well(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = s3_server.new_root()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    files = S3Files(
        key=ACCESS_KEY, secret=SECRET_KEY, endpoint_url=s3_server.endpoint, skip_instance_cache=True
    )
    bucket = S3Store(files, root.removeprefix("s3://"))
    bucket.write("a.jpg", b"content")
    assert bucket.reader_of_many()("a.jpg", 100)[0] == b"content"


@pytest.mark.parametrize(
    ("region", "style", "place"),
    [
        ("eu-central-1", "auto", r"https://images\.s3(\.eu-central-1)?\.amazonaws\.com"),
        ("eu-central-1", "path", r"https://s3\.eu-central-1\.amazonaws\.com/images"),
    ],
)
def test_a_bucket_of_amazon_is_where_botocore_looks_for_it(
    monkeypatch: pytest.MonkeyPatch, region: str, style: str, place: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    files = S3Files(
        client_kwargs={"region_name": region},
        config_kwargs={"s3": {"addressing_style": style}},
        skip_instance_cache=True,
    )
    fetcher = s3_fetcher.S3Fetcher(files, "images")
    assert re.fullmatch(place, fetcher.place)
