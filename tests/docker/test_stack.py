"""The stack for a team: its files are valid, and PostgreSQL carries Airflow's metadata."""

import json
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.engine import REPOSITORY, REQUIRED

pytestmark = pytest.mark.docker

COMPOSE = REPOSITORY / "docker" / "compose.yaml"
AIRFLOW = REPOSITORY / ".venv" / "airflow" / "bin"
SECRETS = ("POSTGRES_PASSWORD", "JWT_SECRET", "API_SECRET_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY")
FILLED_IN = {name: f"a-{name}" for name in (*SECRETS, "FERNET_KEY", "DOCKER_GROUP")}


def lack(what: str) -> None:
    if os.environ.get(REQUIRED):
        pytest.fail(f"{what}, and {REQUIRED} is set")
    pytest.skip(what)


def compose(**environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs `config` of whichever Compose there is."""
    command = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    done = subprocess.run(
        [*command, "--file", COMPOSE, "config"],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if "is not a docker command" in done.stderr or "unknown" in done.stderr:
        lack("there is no Docker Compose")
    return done


def test_the_compose_file_is_valid_once_the_secrets_are_filled_in() -> None:
    done = compose(**FILLED_IN)
    assert done.returncode == 0, done.stderr
    for service in ("postgres", "object-store", "api-server", "scheduler", "dag-processor"):
        assert f"  {service}:" in done.stdout


@pytest.mark.parametrize("name", FILLED_IN)
def test_no_secret_has_a_default(name: str) -> None:
    done = compose(**{key: value for key, value in FILLED_IN.items() if key != name})
    assert done.returncode != 0
    assert f"set {name} in docker/.env" in done.stderr


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """A PostgreSQL server with a database for Airflow; its address as SQLAlchemy takes it."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        lack("PostgreSQL is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data, user = tmp_path / "data", "nobody"
    data.mkdir()
    if os.getuid() == 0:
        # PostgreSQL does not run as root.
        account = pwd.getpwnam(user)
        os.chown(data, account.pw_uid, account.pw_gid)
        for folder in (tmp_path, *tmp_path.parents[:2]):
            folder.chmod(folder.stat().st_mode | 0o055)
    who = {"user": user} if os.getuid() == 0 else {}

    def run(program: str, *arguments: str, check: bool = True) -> None:
        subprocess.run(
            [folders[-1] / program, *arguments],
            check=check,
            start_new_session=True,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **who,
        )

    run("initdb", "--pgdata", str(data), "--username=airflow", "--auth=trust")
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={data}"
    run(
        "pg_ctl",
        "start",
        "--wait",
        "--pgdata",
        str(data),
        "--options",
        options,
        f"--log={data}/log",
    )
    try:
        run("createdb", "--host=127.0.0.1", f"--port={port}", "--username=airflow", "airflow")
        yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/airflow"
    finally:
        run("pg_ctl", "stop", "--mode=fast", "--pgdata", str(data), check=False)


def test_airflow_runs_on_postgresql(postgres: str, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    (lake / "master").mkdir(parents=True)
    environment = {
        **{name: value for name, value in os.environ.items() if "IMAGE_SEARCH" not in name},
        "PATH": f"{AIRFLOW}{os.pathsep}{os.environ['PATH']}",
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": postgres,
        "IMAGE_SEARCH_LAKE": str(lake),
        "IMAGE_SEARCH_AIRFLOW__RETRIES": "0",
        "IMAGE_SEARCH_AIRFLOW__PYTHON": str(REPOSITORY / "tests" / "dags" / "stand_in_tasks.py"),
    }
    counts = dict.fromkeys(("added", "changed", "renamed", "removed", "catalogue"), 0)
    (lake / "plan.json").write_text(json.dumps(counts))
    (lake / "fails.txt").write_text("")

    def airflow(*arguments: str) -> str:
        command = [AIRFLOW / "airflow", *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    airflow("db", "migrate")
    assert postgres.rpartition("@")[2] in airflow(
        "config", "get-value", "database", "sql_alchemy_conn"
    )
    airflow("dags", "test", "image_search", "--conf", '{"query_image": "a.jpg"}')
    runs = airflow("dags", "list-runs", "image_search", "--output", "plain")
    assert "success" in runs
