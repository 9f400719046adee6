"""The stack for a team: its file is valid, and its services index and search together."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
import s3fs
import yaml

from tests.browser.running_airflow import RunningAirflow, until
from tests.docker.compose import (
    COMPOSE,
    FILLED_IN,
    SEARCH_TOKEN,
    compose,
    lack,
    on_this_machine,
)
from tests.docker.engine import docker, need_docker
from tests.docker.postgres import running_postgres
from tests.ports import free_ports
from tests.tasks.pipeline import save_photo
from tests.tasks.service.asking import answers, ask

pytestmark = pytest.mark.docker


def test_the_compose_file_is_valid_once_the_secrets_are_filled_in() -> None:
    done = compose("--file", COMPOSE, "config", **FILLED_IN)
    assert done.returncode == 0, done.stderr
    for service in ("postgres", "object-store", "api-server", "scheduler", "dag-processor"):
        assert f"  {service}:" in done.stdout


@pytest.mark.parametrize("name", FILLED_IN)
def test_no_secret_has_a_default(name: str) -> None:
    rest = {key: value for key, value in FILLED_IN.items() if key != name}
    done = compose("--file", COMPOSE, "config", **rest)
    assert done.returncode != 0
    assert f"set {name} in docker/.env" in done.stderr


def test_the_search_service_is_optional_has_no_rights_and_its_token_no_default() -> None:
    services = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]
    assert [name for name, options in services.items() if "profiles" in options] == ["search"]
    for token in ({}, SEARCH_TOKEN):
        profile = ("--profile", "search", "config")
        done = compose("--file", COMPOSE, *profile, check=True, **FILLED_IN, **token)
        service = yaml.safe_load(done.stdout)["services"]["search"]
        given = service["environment"]["IMAGE_SEARCH_TOKEN"]
        assert given == token.get("SEARCH_TOKEN", "")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges"]
    assert all(service[limit] for limit in ("mem_limit", "cpus", "pids_limit"))
    assert "/healthz" in service["healthcheck"]["test"][-1]
    [port] = services["search"]["ports"]
    assert port.startswith("127.0.0.1:")


@dataclass(frozen=True)
class Stack(RunningAirflow):
    """The Airflow of the stack, with the passwords that it made."""

    passwords: dict[str, str] = field(default_factory=dict)

    def password(self, user: str) -> str:
        return self.passwords[user]


def has_image(name: str) -> bool:
    return bool(docker("image", "ls", "--quiet", f"image-search/{name}:latest"))


@contextmanager
def running_object_store(folder: Path, port: int) -> Iterator[None]:
    """Runs the command of the compose file, on ports that are free here, until it is healthy."""
    (folder / "lake").mkdir()
    service = yaml.safe_load(COMPOSE.read_text("utf-8"))["services"]["object-store"]
    given = [it.replace("/data", str(folder / "lake")) for it in service["command"]]
    given[given.index("-s3.port=8333")] = f"-s3.port={port}"
    own = [f"{it}.port" for it in ("master", "volume", "filer")]
    own += [f"{it}.port.grpc" for it in ("master", "volume", "filer", "s3")]
    free = [f"-{it}={port}" for it, port in zip(own, free_ports(len(own)), strict=True)]
    free += ["-ip=127.0.0.1", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    keys = {"AWS_ACCESS_KEY_ID": "a-S3_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY": "a-S3_SECRET_KEY"}
    with (
        (folder / "weed.log").open("wb") as log,
        subprocess.Popen(
            [Path(sys.executable).with_name("weed"), *given, *free],
            cwd=folder,
            env={"PATH": os.environ["PATH"], **keys},
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            until(lambda: answers(f"http://127.0.0.1:{port}/healthz") or process.poll() is not None)
            assert process.poll() is None, (folder / "weed.log").read_text()[-2000:]
            yield
        finally:
            process.send_signal(signal.SIGKILL)


def ports_of_services() -> dict[str, int]:
    services = ("postgres", "object-store", "api-server", "search", "worker-log", "trigger-log")
    return dict(zip(services, free_ports(len(services)), strict=True))


def opened_store(ports: dict[str, int]) -> s3fs.S3FileSystem:
    """Opens the object store as who has its keys sees it."""
    return s3fs.S3FileSystem(
        key="a-S3_ACCESS_KEY",
        secret="a-S3_SECRET_KEY",
        endpoint_url=f"http://127.0.0.1:{ports['object-store']}",
    )


@pytest.fixture(name="environment")
def _environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What `docker/.env` would hold."""
    fernet = "y7Gm3JbUdWAAyMBmXcGzcBcnI4ZCnVTdCUvOZ0a0oYk="
    group = str(Path("/var/run/docker.sock").stat().st_gid)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    return {**FILLED_IN, **SEARCH_TOKEN, "FERNET_KEY": fernet, "DOCKER_GROUP": group}


@pytest.fixture(name="stack")
def _stack(
    tmp_path: Path, environment: dict[str, str]
) -> Iterator[tuple[RunningAirflow, s3fs.S3FileSystem]]:
    """Everything that runs, and the object store as who has its keys sees it."""
    need_docker()
    if not has_image("airflow"):
        lack("no image-search image airflow: run `make images IMAGES=airflow`")
    name = f"image-search-test-{uuid4().hex[:8]}"
    ports = ports_of_services()
    file = tmp_path / "compose.yaml"
    file.write_text(yaml.safe_dump(on_this_machine(name, ports)), encoding="utf-8")
    this = ("--file", file, "--project-directory", COMPOSE.parent, "--project-name", name)
    with (
        running_postgres(tmp_path, ports["postgres"], "a-POSTGRES_PASSWORD"),
        running_object_store(tmp_path, ports["object-store"]),
    ):
        try:
            store = opened_store(ports)
            compose(*this, "up", "--detach", check=True, **environment)
            read = ("exec", "-T", "api-server", "cat", "/home/airflow/passwords.json")
            said = until(lambda: compose(*this, *read, **environment).stdout)
            airflow = Stack(f"http://127.0.0.1:{ports['api-server']}", tmp_path, "s3://lake")
            airflow.passwords.update(json.loads(said))
            until(airflow.is_up)
            yield airflow, store
        finally:
            (tmp_path / "stack.log").write_text(compose(*this, "logs", **environment).stdout)
            compose(*this, "down", "--volumes", "--timeout", "3", **environment)


def test_it_indexes_and_searches(
    stack: tuple[RunningAirflow, s3fs.S3FileSystem],
    model_once: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    airflow, store = stack
    for view in range(2):
        save_photo(tmp_path / "master" / f"cat {view}.jpg", "chelsea", view)
    store.put(str(tmp_path / "master"), "lake/master", recursive=True)
    store.put(str(model_once / "model"), "lake/model", recursive=True)

    assert airflow.run_dag("image_reindex", "first") == "success"
    assert airflow.run_dag("image_search", "second", query_image="cat 1.jpg") == "success"
    answer = json.loads(store.cat("lake/runs/second/result.json"))
    assert [hit["name"] for hit in answer["results"]] == ["cat 1.jpg", "cat 0.jpg"]
    # The page's worker answers beside the API server, in the environment that its image has.
    assert airflow.call("GET", "image-search/api/state")


def test_its_search_service_answers(
    model_once: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    need_docker()
    if not has_image("airflow"):
        lack("no image-search image airflow: run `make images IMAGES=airflow`")
    name, ports = f"image-search-test-{uuid4().hex[:8]}", ports_of_services()
    stack = on_this_machine(name, ports)
    # Those that it does not need are not there, and so not started.
    stack["services"] = {it: stack["services"][it] for it in ("bucket", "search")}
    file = tmp_path / "compose.yaml"
    file.write_text(yaml.safe_dump(stack), encoding="utf-8")
    this = ("--file", file, "--project-directory", COMPOSE.parent, "--project-name", name)
    this = (*this, "--profile", "search")
    with running_object_store(tmp_path, ports["object-store"]):
        try:
            store = opened_store(ports)
            until(lambda: is_up(store))
            for zone in ("master", "model", "releases"):
                store.put(str(model_once / zone), f"lake/{zone}", recursive=True)
            compose(*this, "up", "--detach", "search", check=True, **environment)
            url = f"http://127.0.0.1:{ports['search']}"
            until(lambda: answers(f"{url}/healthz"))
            assert ask(f"{url}/search?query=cat.jpg").status == 401
            found = ask(f"{url}/search?query=cat.jpg", None, Authorization="Bearer a-SEARCH_TOKEN")
            assert b'"name":"cat.jpg"' in found.data
        finally:
            (tmp_path / "stack.log").write_text(compose(*this, "logs", **environment).stdout)
            compose(*this, "down", "--volumes", "--timeout", "3", **environment)


def is_up(store: s3fs.S3FileSystem) -> bool:
    try:
        store.makedirs("lake", exist_ok=True)
    except OSError:
        return False
    return True
