"""What a run with a connection to S3 leaves behind."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dags.conftest import StandInLake

SECRET = "wJalr/XUtnFEMI+K7MDENG"

# A task that tells what it must not, and then ends as the lake says.
INDISCREET = f"""#!{sys.executable}
import os, sys
secret = os.environ["AWS_SECRET_ACCESS_KEY"]
print("the secret is", secret, "indeed", file=sys.stderr)
if "fails" in sys.argv:
    sys.exit("error: refused with " + secret)
print('{{"found": "an answer without a secret"}}')
"""


@pytest.fixture
def indiscreet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lake: StandInLake) -> None:
    python = tmp_path / "indiscreet"
    python.write_text(INDISCREET, encoding="utf-8")
    python.chmod(0o755)
    fields = {"login": "AKIA1", "password": SECRET, "extra": {"endpoint_url": "http://s3.lab"}}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", **fields}))
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__CONNECTION", "lake")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__PYTHON", str(python))


def bytes_under(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize(
    ("query", "json_logs", "kept"),
    [
        ("succeeds", "True", b"an answer without a secret"),
        ("fails", "False", b"failed"),
    ],
)
@pytest.mark.usefixtures("_airflow_database", "indiscreet")
def test_a_secret_that_a_task_tells_is_in_no_log_and_nothing_that_airflow_keeps(
    monkeypatch: pytest.MonkeyPatch, query: str, json_logs: str, kept: bytes
) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__JSON_LOGS", json_logs)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "airflow", "dags", "test", "image_search"),
            *("--conf", json.dumps({"query_image": query})),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert "the secret is *** indeed" in done.stdout
    assert ("search failed with exit status 1: refused with ***" in done.stdout) == (
        query == "fails"
    )
    assert SECRET not in done.stdout
    # Database (rendered fields, XComs, the DAG itself) and log files.
    home = bytes_under(Path(os.environ["AIRFLOW_HOME"]))
    assert kept in home
    assert SECRET.encode() not in home


@pytest.mark.usefixtures("_airflow_database")
def test_a_connection_that_does_not_exist_fails_at_once_and_is_not_tried_again(
    lake: StandInLake, load_dag: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__CONNECTION", "lake")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__RETRIES", "2")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__RETRY_DELAY_SECONDS", "0.1")
    dag_run = load_dag("image_search").test(run_conf={"query_image": "a.jpg"})
    search = dag_run.get_task_instance("search")
    assert (dag_run.state, search.state, search.try_number) == ("failed", "failed", 1)
    assert not (lake.path / "calls.jsonl").exists()


def test_reading_a_dag_asks_for_no_connection(
    load_dag: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__CONNECTION", "no-such-connection")
    assert load_dag("image_search").get_task("search").connection == "no-such-connection"
