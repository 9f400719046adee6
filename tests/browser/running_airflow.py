"""A whole Airflow as `make up` starts it, with three people who may do different things."""

import json
import os
import signal
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.ports import free_port

REPOSITORY = Path(__file__).parents[2]
TASKS = REPOSITORY / ".venv" / "tasks" / "bin" / "python"

# Name and role. Each has her name for a password.
USERS = {"admin": "admin", "uma": "user", "vera": "viewer"}
_DATABASE = "airflow.db"
_PATIENCE = 240.0


@dataclass(frozen=True)
class Site:
    """An API server of Airflow, by its address."""

    address: str

    def call(self, method: str, path: str, body: Any = None, user: str = "admin") -> Any:
        """Calls Airflow's API, or the page's, with a token."""
        return json.loads(self.fetch(method, path, body, self.token(user)))

    def token(self, user: str = "admin") -> str:
        """Returns what lets somebody in."""
        given = {"username": user, "password": self.password(user)}
        return str(json.loads(self.fetch("POST", "auth/token", given))["access_token"])

    def password(self, user: str) -> str:
        """Returns the password of somebody: here, her name."""
        return user

    def fetch(self, method: str, path: str, body: Any = None, token: str = "") -> bytes:
        """Returns what an address answers with."""
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(  # noqa: S310  # the address is our own
            f"{self.address}/{path}",
            method=method,
            data=body if body is None or isinstance(body, bytes) else json.dumps(body).encode(),
            headers=headers,
        )
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            return bytes(response.read())

    def is_up(self) -> bool:
        """Tells whether it answers."""
        try:
            with urllib.request.urlopen(f"{self.address}/api/v2/monitor/health", timeout=5):  # noqa: S310
                return True
        except OSError:
            return False


@dataclass(frozen=True)
class RunningAirflow(Site):
    """All of an Airflow, its home, and the URI of its lake."""

    home: Path
    lake_uri: str

    @property
    def lake(self) -> Path:
        """The folder of a lake on this machine."""
        return Path(urlsplit(self.lake_uri).path)

    def start_dag(self, dag: str, run_id: str, **conf: Any) -> None:
        """Triggers a DAG, as soon as there is one of that name."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        until(lambda: self._attempt("POST", f"api/v2/dags/{dag}/dagRuns", body))

    def run_dag(self, dag: str, run_id: str, **conf: Any) -> str:
        """Runs a DAG to its end; returns how it ended."""
        self.start_dag(dag, run_id, **conf)
        path = f"api/v2/dags/{dag}/dagRuns/{run_id}"
        return str(until(lambda: self.ended(path)))

    def count_runs(self, dag: str) -> int:
        """Returns how often a DAG was triggered."""
        return int(self.call("GET", f"api/v2/dags/{dag}/dagRuns")["total_entries"])

    def ended(self, path: str) -> str | None:
        """Returns how a run ended, or None while it goes on."""
        state = self.call("GET", path)["state"]
        return state if state in ("success", "failed") else None

    def _attempt(self, method: str, path: str, body: Any) -> Any:
        try:
            return self.call(method, path, body)
        except urllib.error.HTTPError as error:
            if error.code == 404:  # the DAG has not been parsed yet
                return None
            raise


def until(ask: Any) -> Any:
    """Asks again and again until the answer is true, and returns it."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.3)
    raise TimeoutError(f"still nothing after {_PATIENCE} s")


def seed(step: str, lake: Path) -> "subprocess.Popen[bytes]":
    """Starts a step of `seed.py`, in the tasks' environment."""
    command = [str(TASKS), "-m", "tests.browser.seed", step, str(lake)]
    return subprocess.Popen(command, cwd=REPOSITORY)


@contextmanager
def running_airflow(
    home: Path, lake_uri: str, extra: Mapping[str, str] | None = None
) -> Iterator[RunningAirflow]:
    """Starts an Airflow, and ends it with all it has started.

    Args:
        home: its folder; with an empty database, unless there is one already.
        lake_uri: where its lake is.
        extra: more environment variables.
    """
    port = free_port()
    environment = {**airflow_environment(home, lake_uri), **(extra or {})}
    with running(["scripts/up.sh", str(port)], environment, home / "up.log"):
        airflow = RunningAirflow(f"http://localhost:{port}", home, lake_uri)
        until(airflow.is_up)
        yield airflow


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Runs a command in a process group of its own, and ends it with SIGTERM."""
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def copy_database(source: Path, home: Path) -> None:
    """Gives an Airflow a copy of the database of another one: making one takes long."""
    with (
        closing(sqlite3.connect(source / _DATABASE)) as there,
        closing(sqlite3.connect(home / _DATABASE)) as here,
    ):
        there.backup(here)


def airflow_environment(home: Path, lake_uri: str) -> dict[str, str]:
    """Returns the environment of an Airflow with its three people."""
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({name: name for name in USERS}), encoding="utf-8")
    users = ",".join(f"{name}:{role}" for name, role in USERS.items())
    return {
        **{name: value for name, value in os.environ.items() if "IMAGE_SEARCH" not in name},
        **_settings(),
        "PATH": f"{REPOSITORY / '.venv/airflow/bin'}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": users,
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "IMAGE_SEARCH_LAKE": lake_uri,
        "IMAGE_SEARCH_CACHE": str(REPOSITORY / "var" / "cache"),
        "IMAGE_SEARCH_AIRFLOW__RETRIES": "0",
        "IMAGE_SEARCH_PAGE__UPLOAD_MAX_BYTES": "2000000",
        "IMAGE_SEARCH_PAGE__UPLOAD_MAX_PIXELS": "4000000",
    }


def _settings() -> dict[str, str]:
    lines = (REPOSITORY / "config" / "airflow.env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
