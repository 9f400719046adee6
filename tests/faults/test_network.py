"""The network breaks in every way; what comes out is right, or an error in bounded time."""

import json
import os
import re
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tasks.errors import UserError
from tasks.etl import etl
from tasks.feature_engineering import feature_engineering
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.s3_files import S3Files
from tasks.lake.s3_store import open_s3_files
from tasks.lake.store import DamagedError, Store, TransferError
from tasks.plan import plan
from tasks.publish import publish
from tasks.search import search
from tasks.vectorize import vectorize
from tests.faults.faulty_proxy import BROKEN_BODIES, FAULTS, FaultyProxy, Rule, running_proxy
from tests.s3_server import BUCKET, S3Server
from tests.tasks.pipeline import CACHE, REPOSITORY, reindex, save_photo, settings_for_tests

ATTEMPTS = 4
PATIENCE = {"connect_timeout": 1, "read_timeout": 1}
# The time-outs and the longest pauses of that many attempts, and some for a busy machine.
LONGEST = ATTEMPTS * 1 + (1 + 2 + 4) + 10
DATA = bytes(range(256)) * 8
# More than one part.
LONG_DATA = os.urandom(9 * 2**20)

Operation = Callable[[Store], Any]


@pytest.fixture
def proxy(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    """A proxy that whoever opens a store from now on goes through, with little patience."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", str(ATTEMPTS))
    with running_proxy(s3_server.endpoint) as proxy:
        proxy.silence = 1.5
        options = {"endpoint_url": proxy.endpoint, "config_kwargs": PATIENCE}
        monkeypatch.setitem(fsspec.config.conf, "s3", options)
        yield proxy


@pytest.fixture
def store(proxy: FaultyProxy, s3_server: S3Server) -> Store:
    return open_store(s3_server.new_root())


# ------------------------------------------------------------------------------------ one operation


def read_in_pieces(store: Store) -> bytes:
    with store.open("a/data") as stream:
        return b"".join(iter(lambda: stream.read(1000), b""))


def write(store: Store, data: bytes) -> bool:
    return store.write("b/new", data).sha256 == store.digest("b/new")


def delete(store: Store) -> bool:
    store.delete("c/gone")
    return store.exists("c/gone")


OPERATIONS: dict[str, tuple[Operation, Any]] = {
    "read": (lambda store: store.read("a/data"), DATA),
    "read_ranges": (
        lambda store: store.read_ranges("a/data", [(5, 9), (0, 2)]),
        [DATA[5:9], DATA[:2]],
    ),
    "reader_of_many": (lambda store: store.reader_of_many()("a/data", len(DATA))[0], DATA),
    "open": (read_in_pieces, DATA),
    "stat": (lambda store: store.stat("a/data").bytes, len(DATA)),
    "write": (lambda store: write(store, DATA), True),
    "write_multipart": (lambda store: write(store, LONG_DATA), True),
    "create": (
        lambda store: [store.create("d/new", b"me"), store.create("d/new", b"you")],
        [True, False],
    ),
    "delete": (delete, False),
    "folders": (lambda store: store.folders(""), ["a", "c"]),
    "objects": (lambda store: sorted(item.path for item in store.objects()), ["a/data", "c/gone"]),
    "unfinished": (lambda store: [item.path for item in store.unfinished("")], ["u/begun"]),
}
# A listing has no checksum, and a part of an object has none of its own: that is up to TLS.
WITHOUT_CHECKSUM = {"read_ranges", "folders", "objects", "unfinished", "write_multipart"}
WITH_BODY = {"read", "read_ranges", "reader_of_many", "open", "folders", "objects", "unfinished"}


class Broken:
    """A store with a proxy of its own, so that all operations can be tried at once."""

    def __init__(self, server: S3Server, patch: pytest.MonkeyPatch, rule: Rule) -> None:
        root = server.new_root()
        for path in ("a/data", "c/gone"):
            server.files.pipe_file(f"{root}/{path}", DATA)
        key = f"{root.removeprefix(f's3://{BUCKET}/')}/u/begun"
        server.files.call_s3("create_multipart_upload", Bucket=BUCKET, Key=key)
        self.proxy = FaultyProxy(server.endpoint)
        self.proxy.silence = 1.5
        options = {"endpoint_url": self.proxy.endpoint, "config_kwargs": PATIENCE}
        patch.setitem(fsspec.config.conf, "s3", options)
        self.store = open_store(root)
        self.proxy.break_by(rule)
        self.seconds = 0.0

    def outcome(self, operation: Operation) -> Any:
        started = time.monotonic()
        try:
            return operation(self.store)
        except Exception as error:  # pylint: disable=broad-exception-caught  # to be looked at
            return error
        finally:
            self.seconds = time.monotonic() - started
            self.proxy.close()


def try_all(
    server: S3Server, names: list[str], make_rule: Callable[[], Rule], attempts: int = ATTEMPTS
) -> dict[str, Any]:
    """Tries all operations at once; returns for each what came of it, and the broken store."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(names)) as pool:
        patch.setenv("AWS_MAX_ATTEMPTS", str(attempts))
        broken = {name: Broken(server, patch, make_rule()) for name in names}
        outcomes = {name: pool.submit(broken[name].outcome, OPERATIONS[name][0]) for name in names}
        return {name: (outcome.result(), broken[name]) for name, outcome in outcomes.items()}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_breaks_a_few_times_is_done_in_the_end(s3_server: S3Server, fault: str) -> None:
    names = [name for name in OPERATIONS if fault != "flipped bits" or name not in WITHOUT_CHECKSUM]
    for name, (outcome, broken) in try_all(s3_server, names, lambda: Rule(fault, times=2)).items():
        assert outcome == OPERATIONS[name][1], name
        assert broken.proxy.broken(), name


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "slow body"])
def test_what_never_ends_is_a_clear_error_in_bounded_time(s3_server: S3Server, fault: str) -> None:
    names = [
        name
        for name in OPERATIONS
        if fault not in BROKEN_BODIES
        or (name in WITH_BODY and not (fault == "flipped bits" and name in WITHOUT_CHECKSUM))
    ]
    tried = try_all(s3_server, names, lambda: Rule(fault), attempts=2)
    for name, (outcome, broken) in tried.items():
        assert isinstance(outcome, TransferError), (name, outcome)
        assert str(outcome).startswith(f"s3://{BUCKET}"), name
        assert broken.seconds < LONGEST, name


# --------------------------------------------------------------------------------- pauses and times


@pytest.mark.parametrize(
    ("fault", "at_most"),
    [
        ("slow down", ATTEMPTS),
        ("throttled", ATTEMPTS),
        ("cut off", ATTEMPTS),
        # aiohttp asks once more at once if a connection that was open before turns out dead.
        ("reset before", 2 * ATTEMPTS),
        ("no answer", ATTEMPTS),
    ],
)
def test_attempts_are_not_multiplied(
    proxy: FaultyProxy, store: Store, fault: str, at_most: int
) -> None:
    store.write("a", DATA)
    proxy.break_by(Rule(fault))
    with pytest.raises(TransferError):
        store.read("a")
    assert ATTEMPTS <= len(proxy.seen) <= at_most


@pytest.mark.parametrize("fault", ["slow down", "cut off"])
def test_pauses_grow_and_are_left_to_chance(proxy: FaultyProxy, store: Store, fault: str) -> None:
    names = [f"o{number}" for number in range(8)]
    for name in names:
        store.write(name, DATA)
    proxy.break_by(Rule(fault))

    def read(name: str) -> None:
        with pytest.raises(TransferError):
            store.read(name)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(read, names))
    pauses = []
    for name in names:
        times = [seen.at for seen in proxy.seen if seen.path.endswith(f"/{name}")]
        assert len(times) == ATTEMPTS
        pauses.append([after - before for before, after in pairwise(times)])
    first, _, third = (statistics.mean(step) for step in zip(*pauses, strict=True))
    assert first < third
    assert len({round(pause[-1], 2) for pause in pauses}) > 1


def test_a_dead_network_is_given_up_within_four_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
    options = open_s3_files(f"s3://{BUCKET}")[0].config_kwargs
    attempts = options["retries"]["total_max_attempts"]
    pauses = sum(min(2**attempt, 20) for attempt in range(attempts - 1))
    assert options["retries"]["mode"] == "standard"
    assert 120 <= attempts * options["connect_timeout"] + pauses <= 240
    assert 120 <= attempts * options["read_timeout"] + pauses <= 240


# --------------------------------------------------------------------------------- exclusive create


@pytest.mark.parametrize("fault", ["reset after", "no answer", "false refusal", "conflict"])
def test_a_create_whose_answer_is_lost_has_one_winner(
    proxy: FaultyProxy, store: Store, fault: str
) -> None:
    proxy.break_by(Rule(fault, method="PUT", times=2))
    assert store.create("a", b"me")
    assert not store.create("a", b"you")
    assert store.read("a") == b"me"


def test_of_many_that_create_with_answers_lost_one_wins(proxy: FaultyProxy, store: Store) -> None:
    proxy.break_by(
        Rule("reset after", method="PUT", probability=0.3),
        Rule("conflict", method="PUT", probability=0.1),
    )
    names = [str(number).encode() for number in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        won = [
            name
            for name, wins in zip(
                names, pool.map(lambda name: store.create("a", name), names), strict=True
            )
            if wins
        ]
    assert won == [store.read("a")]


@pytest.mark.parametrize("fault", ["ignored condition", "not implemented"])
def test_a_store_without_exclusive_create_is_refused(
    proxy: FaultyProxy, store: Store, fault: str
) -> None:
    proxy.break_by(Rule(fault, method="PUT"))
    with pytest.raises(UserError, match="cannot create an object exclusively"):
        Releases(store).claim("r")
    assert not Releases(store).numbers()


# ------------------------------------------------------------------------------------------ uploads


@pytest.mark.parametrize("data", [DATA, LONG_DATA], ids=["put", "multipart"])
def test_a_body_that_changes_on_its_way_to_the_store_is_sent_again(
    proxy: FaultyProxy, store: Store, data: bytes
) -> None:
    proxy.break_by(Rule("flipped upload", method="PUT", times=2))
    assert store.write("a", data).sha256 == store.digest("a")
    proxy.break_by(Rule("flipped upload", method="PUT"))
    with pytest.raises(TransferError):
        store.write("b", data)
    proxy.break_by()
    assert not store.exists("b")


def test_an_upload_whose_completion_was_not_confirmed_is_complete(
    proxy: FaultyProxy, store: Store
) -> None:
    proxy.break_by(Rule("reset after", method="POST", path="uploadId=", times=1))
    assert store.write("a", LONG_DATA).sha256 == store.digest("a")


def test_an_upload_that_is_gone_without_a_trace_is_an_error(
    proxy: FaultyProxy, store: Store, s3_server: S3Server
) -> None:
    store.write("a", LONG_DATA[::-1])
    with pytest.raises(FileNotFoundError), store.writing("a", len(LONG_DATA)) as stream:
        stream.write(LONG_DATA)
        for item in open_store(str(store)).unfinished(""):
            store.discard_unfinished(item)
    assert store.read("a") == LONG_DATA[::-1]


# ----------------------------------------------------------------------------------------- pipeline


def upload_lake(root: str, model_once: Path, photos: Path) -> None:
    lake = open_store(root)
    for number in range(5):
        photo = photos / f"{number}.jpg"
        save_photo(photo, "chelsea" if number % 2 else "coffee", number)
        lake.upload(f"master/{photo.name}", photo)
    for file in (model_once / layout.MODEL).glob("*/*.*"):
        lake.upload(f"{layout.MODEL}/{file.parent.name}/{file.name}", file)


class Shell:
    """Runs tasks as child processes."""

    def __init__(self, lake: str, proxy: FaultyProxy | None = None, **environment: str) -> None:
        self._lake = lake
        self._environment = {**os.environ, "IMAGE_SEARCH_CACHE": str(CACHE), **environment}
        if proxy:
            self._environment |= {
                "AWS_ENDPOINT_URL": proxy.endpoint,
                "FSSPEC_S3_CONFIG_KWARGS": json.dumps(PATIENCE | {"read_timeout": 3}),
            }

    def run(self, task: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tasks", task, "--lake", self._lake, *arguments],
            cwd=REPOSITORY,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def done(self, task: str, *arguments: str) -> dict[str, Any]:
        finished = self.run(task, *arguments)
        assert finished.returncode == 0, finished.stderr[-2000:]
        summary: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
        return summary

    def reindex(self) -> None:
        run = ("--run", "r")
        (shard,) = self.done("plan", *run)["shards"]
        for task in ("etl", "feature_engineering", "vectorize"):
            self.done(task, *run, "--shard", shard["shard"])
        self.done("publish", *run)
        self.done("prune", *run)


def assert_unreachable(finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.returncode == 1, finished.stderr
    assert "Traceback" not in finished.stderr
    errors = [line for line in finished.stderr.splitlines() if line.startswith("error: ")]
    assert errors == finished.stderr.splitlines()[-1:]
    assert "the store does not answer as it should" in errors[0]
    assert finished.stdout == ""


def test_a_reindex_through_a_bad_network_makes_the_same_release(
    s3_server: S3Server, model_once: Path, tmp_path: Path
) -> None:
    roots = [s3_server.new_root() for _ in range(2)]
    for root in roots:
        upload_lake(root, model_once, tmp_path)
    reindex(open_store(roots[0]), "r")
    with running_proxy(s3_server.endpoint, seed=6) as proxy:
        proxy.silence = 3.5
        proxy.break_by(
            *(Rule(fault, probability=0.011) for fault in FAULTS if fault != "flipped bits"),
            Rule("flipped bits", "GET", r"\.(jpg|json|jsonl)$", probability=0.04),
            Rule("flipped upload", "PUT", probability=0.04),
        )
        Shell(roots[1], proxy).reindex()
        assert 0.05 < len(proxy.broken()) / len(proxy.seen) < 0.2
    releases = [Releases(open_store(root)).latest() for root in roots]
    undisturbed, disturbed = (release.artifacts for release in releases if release)
    for name, artifact in undisturbed.items():
        assert artifact.sha256 == disturbed[name].sha256, name


def test_a_task_whose_network_dies_says_so_and_goes_on_when_it_is_back(
    s3_server: S3Server, model_once: Path, tmp_path: Path
) -> None:
    lake = open_store(s3_server.new_root())
    upload_lake(str(lake), model_once, tmp_path)
    with running_proxy(s3_server.endpoint) as proxy:
        shell = Shell(str(lake), proxy, AWS_MAX_ATTEMPTS="2")
        run = ("--run", "r")
        (shard,) = shell.done("plan", *run)["shards"]
        of_shard = (*run, "--shard", shard["shard"])
        for task, arguments, last_words in (
            ("etl", of_shard, r"GET .*/3\.jpg"),
            ("vectorize", of_shard, r"GET .*feature_engineered\.npy$"),
            ("publish", run, r"PUT .*releases/000001/embedded_image_vectors\.npy"),
        ):
            if task == "vectorize":
                feature_engineering(lake, "r", shard["shard"])
            method, path = last_words.split(" ")
            proxy.break_by(Rule("network down", method, path))
            assert_unreachable(shell.run(task, *arguments))
            assert proxy.broken(), task
            proxy.break_by()
            assert not shell.done(task, *arguments).get("already_complete"), task
    release = Releases(lake).latest()
    assert release
    assert release.counts.images == 5


def test_a_store_that_cannot_be_reached_at_all_may_pass() -> None:
    shell = Shell("s3://images/lake", AWS_ENDPOINT_URL="http://127.0.0.1:9", AWS_MAX_ATTEMPTS="2")
    assert_unreachable(shell.run("plan", "--run", "r"))


# -------------------------------------------------------------------------------------- credentials


WRONG = {
    "wrong key": {"AWS_ACCESS_KEY_ID": "nobody"},
    "wrong secret": {"AWS_SECRET_ACCESS_KEY": "wrong"},
    "no credentials": {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_CONFIG_FILE": "/nonexistent",
    },
    "unknown profile": {"AWS_PROFILE": "nobody"},
}


def plan_with(root: str, at: str, folder: Path) -> None:
    """Plans a run with a root in a bucket as the lake or as the catalogue."""
    S3Files.clear_instance_cache()  # those that are open know the old credentials
    try:
        lake = open_store(root if at == "lake" else str(folder))
        plan(lake, "r", settings_for_tests(catalogue=root))
    finally:
        S3Files.clear_instance_cache()


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("at", ["lake", "catalogue"])
def test_wrong_credentials_ask_for_a_person(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str, at: str
) -> None:
    root = s3_server.new_root()
    for name, value in WRONG[wrong].items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=rf"{root}.*check the .*credentials"):
        plan_with(root, at, tmp_path)


@pytest.mark.parametrize("at", ["lake", "catalogue"])
def test_a_missing_bucket_asks_for_a_person(s3_server: S3Server, tmp_path: Path, at: str) -> None:
    with pytest.raises(UserError, match="there is no such bucket; create it"):
        plan_with("s3://no-such-bucket/lake", at, tmp_path)


def test_what_asks_for_a_person_ends_with_status_2(s3_server: S3Server) -> None:
    finished = Shell(s3_server.new_root(), AWS_ACCESS_KEY_ID="nobody").run("plan", "--run", "r")
    (line,) = finished.stderr.splitlines()
    assert re.match(r"error: s3://.*; check the credentials", line)
    assert finished.returncode == 2


def test_an_expired_token_asks_for_a_person(proxy: FaultyProxy, s3_server: S3Server) -> None:
    proxy.break_by(Rule("expired token"))
    with pytest.raises(UserError, match=r"access is denied .* check the credentials"):
        open_store(s3_server.new_root())


@pytest.mark.parametrize("root", ["s3://Not_A_Bucket!/lake", "s3://"])
def test_a_root_that_is_no_bucket_asks_for_a_person(s3_server: S3Server, root: str) -> None:
    with pytest.raises(UserError):
        open_store(root)


# -------------------------------------------------------------------------------- damage on its way


@pytest.fixture(scope="module")
def indexed_root(s3_server: S3Server, model_once: Path, tmp_path_factory: Any) -> str:
    """A lake in a bucket with five photographs and a release."""
    root = s3_server.new_root()
    upload_lake(root, model_once, tmp_path_factory.mktemp("photos"))
    reindex(open_store(root), "first")
    return root


@pytest.fixture
def run(indexed_root: str, tmp_path: Path) -> str:
    """A run that has a new photograph to work on, which its tasks have done except for the last."""
    lake, run = open_store(indexed_root), f"r-{uuid.uuid4().hex}"
    save_photo(tmp_path / "new.jpg", "rocket", view=uuid.uuid4().int % 2**31)
    lake.upload("master/new.jpg", tmp_path / "new.jpg")
    return run


@pytest.fixture
def planned(indexed_root: str, run: str) -> tuple[str, str]:
    """A run and its shard."""
    (shard,) = plan(open_store(indexed_root), run, settings_for_tests())["shards"]
    return run, shard["shard"]


DAMAGE = ("flipped bits", "shortened")


def fails_until_sound(
    proxy: FaultyProxy, rule: Rule, lake: Store, task: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Breaks what a task reads, makes sure that nothing comes of it, and tries without."""
    before = {item.path for item in lake.objects() if layout.completes(item.path)}
    proxy.break_by(rule)
    with pytest.raises((TransferError, DamagedError)):
        task()
    assert proxy.broken()
    proxy.break_by()
    assert {item.path for item in lake.objects() if layout.completes(item.path)} == before
    assert not any(item.path.endswith(layout.DAMAGE) for item in lake.objects(layout.RELEASES))
    return task()


@pytest.mark.parametrize("fault", DAMAGE)
def test_what_the_tasks_of_a_shard_read_damaged_makes_no_artifact(
    proxy: FaultyProxy, indexed_root: str, planned: tuple[str, str], fault: str
) -> None:
    lake, (run, shard) = open_store(indexed_root), planned
    settings = settings_for_tests()
    for path in (r"plan\.json$", r"shards/.*\.jsonl$", r"new\.jpg$"):
        proxy.break_by(Rule(fault, "GET", path))
        with pytest.raises(TransferError):
            etl(lake, run, shard)
        assert proxy.broken()
    proxy.break_by()
    etl(lake, run, shard)
    for path, task in (
        (r"resized_rgb\.npy$", lambda: feature_engineering(lake, run, shard)),
        (r"feature_engineered\.npy$", lambda: vectorize(lake, run, shard, settings)),
        (r"embedded_image_vectors\.npy$", lambda: publish(lake, run)),
    ):
        assert not fails_until_sound(proxy, Rule(fault, "GET", path), lake, task).get(
            "already_complete"
        )


@pytest.mark.parametrize("fault", DAMAGE)
@pytest.mark.parametrize(
    "name", [layout.NPY_IMAGE_NAMES, layout.NPY_IMAGE_DIGESTS, layout.REJECTED, layout.CATALOGUE]
)
def test_what_publish_reads_damaged_makes_no_release(
    proxy: FaultyProxy, indexed_root: str, planned: tuple[str, str], fault: str, name: str
) -> None:
    lake, (run, shard) = open_store(indexed_root), planned
    etl(lake, run, shard)
    feature_engineering(lake, run, shard)
    vectorize(lake, run, shard, settings_for_tests())
    rule = Rule(fault, "GET", f"/{re.escape(name)}$")
    done = fails_until_sound(proxy, rule, lake, lambda: publish(lake, run))
    assert done["images"] == 6


@pytest.mark.parametrize("fault", DAMAGE)
@pytest.mark.parametrize("name", [layout.MANIFEST, layout.CATALOGUE])
def test_a_base_that_plan_reads_damaged_is_not_taken_for_none(
    proxy: FaultyProxy, indexed_root: str, run: str, fault: str, name: str
) -> None:
    lake = open_store(indexed_root)
    rule = Rule(fault, "GET", f"/{re.escape(name)}$")
    planned = fails_until_sound(proxy, rule, lake, lambda: plan(lake, run, settings_for_tests()))
    assert planned["unchanged"] == 5


@pytest.mark.parametrize("fault", DAMAGE)
@pytest.mark.parametrize("name", [layout.MANIFEST, layout.IMAGE_INDEX])
def test_search_does_not_answer_from_what_it_reads_damaged(
    proxy: FaultyProxy, indexed_root: str, tmp_path: Path, fault: str, name: str
) -> None:
    lake, settings = open_store(indexed_root), settings_for_tests(cache=tmp_path)
    rule = Rule(fault, "GET", f"/{re.escape(name)}$")
    answer = fails_until_sound(proxy, rule, lake, lambda: search(lake, "s", "1.jpg", 1, settings))
    assert [hit["name"] for hit in answer["results"]] == ["1.jpg"]


def test_a_model_that_was_damaged_on_its_way_is_not_discarded(
    proxy: FaultyProxy, indexed_root: str, tmp_path: Path
) -> None:
    lake, settings = open_store(indexed_root), settings_for_tests(cache=tmp_path)
    save_photo(tmp_path / "query.jpg", "coffee", 0)
    rule = Rule("flipped bits", "GET", r"\.onnx\.data$", times=1)
    answer = fails_until_sound(
        proxy,
        rule,
        lake,
        lambda: search(lake, "s", str(tmp_path / "query.jpg"), 1, settings, allowed=("/",)),
    )
    assert [hit["name"] for hit in answer["results"]] == ["0.jpg"]


def test_what_is_damaged_where_it_is_stored_still_is_damage(
    proxy: FaultyProxy, store: Store, s3_server: S3Server
) -> None:
    artifact = store.write("a", DATA)
    s3_server.files.pipe_file(f"{store}/a".removeprefix("s3://"), DATA[::-1])
    with pytest.raises(DamagedError, match="is damaged: its digest is not"):
        store.verify(artifact)
    with pytest.raises(DamagedError), store.open_verified(artifact) as stream:
        assert stream.read() == DATA[::-1]


def test_an_etag_that_is_no_digest_is_no_damage(proxy: FaultyProxy, store: Store) -> None:
    store.write("a", DATA)
    proxy.break_by(Rule("other tag", "GET"))
    assert store.read("a") == DATA
