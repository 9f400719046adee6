"""The operator that runs a task as a child process."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from image_search_airflow.operators.process import ProcessOperator
from image_search_airflow.settings import REPOSITORY
from tests.plugins.conftest import Interpreter
from tests.plugins.hearing import hearing, says_and_waits
from tests.plugins.processes import ended

# Untyped, as Airflow has it.
TimeLimit: Any = timeout

CONTEXT = cast(Context, {"run_id": "manual__2026-01-31T02:00:00+00:00"})


def operator(python: Path, **options: Any) -> ProcessOperator:
    return ProcessOperator(
        task_id="etl", task_name="etl", python=python, lake="file:///lake", **options
    )


def test_it_returns_the_object_that_the_task_prints_last(interpreter: Interpreter) -> None:
    python = interpreter('print(\'loading\'); print(\'{"shard": "a1", "images": 3}\')')
    assert operator(python).execute(CONTEXT) == {"shard": "a1", "images": 3}


def test_the_task_gets_its_arguments_as_a_list_in_the_repository(interpreter: Interpreter) -> None:
    python = interpreter(
        "import json, os, sys; print(json.dumps({'argv': sys.argv[1:], 'cwd': os.getcwd()}))"
    )
    printed = operator(python, arguments={"shard": "a b;c"}).execute(CONTEXT)
    assert printed["argv"] == [
        *("-m", "tasks", "etl", "--lake", "file:///lake"),
        *("--run", "manual__2026-01-31T02-00-00-00-00", "--shard", "a b;c"),
    ]
    assert printed["cwd"] == str(REPOSITORY)


def test_a_line_is_in_the_log_while_the_task_still_runs(
    interpreter: Interpreter, tmp_path: Path
) -> None:
    heard = tmp_path / "heard"
    python = interpreter(says_and_waits(heard))

    def hear(line: str) -> None:
        if line == "half way":
            heard.touch()

    with hearing(hear):
        assert operator(python).execute(CONTEXT) == {"heard": True}


def test_a_failure_ends_in_the_reason_that_the_task_gave(interpreter: Interpreter) -> None:
    python = interpreter(
        "import sys; sys.exit('working\\nerror: the plan is gone; run plan again\\n')"
    )
    with pytest.raises(AirflowException) as failure:
        operator(python).execute(CONTEXT)
    assert str(failure.value) == "etl failed with exit status 1: the plan is gone; run plan again"


def test_a_task_that_prints_no_object_breaks_the_contract(interpreter: Interpreter) -> None:
    with pytest.raises(AirflowException, match="one JSON object as its last line"):
        operator(interpreter("print('all done')")).execute(CONTEXT)


def test_an_object_printed_by_a_task_that_fails_does_not_count(interpreter: Interpreter) -> None:
    with pytest.raises(AirflowException, match="exit status 3"):
        operator(interpreter("import sys; print('{}'); sys.exit(3)")).execute(CONTEXT)


def test_a_missing_interpreter_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match=rf"{tmp_path}/python does not exist; install"):
        operator(tmp_path / "python").execute(CONTEXT)


def test_killing_an_operator_that_has_not_started_does_nothing(tmp_path: Path) -> None:
    operator(tmp_path / "python").on_kill()


# Starts a process of its own, says which, and lasts longer than any test.
LASTS = """
import subprocess, sys, time
print(subprocess.Popen(["sleep", "600"]).pid, file=sys.stderr, flush=True)
time.sleep(600)
"""


def test_on_kill_ends_the_task_and_what_it_started(interpreter: Interpreter) -> None:
    lines: list[str] = []
    task = operator(interpreter(LASTS))

    def hear(line: str) -> None:
        lines.append(line)
        if line.isdigit():
            task.on_kill()

    with hearing(hear), pytest.raises(AirflowException, match="ended by SIGTERM"):
        task.execute(CONTEXT)
    assert ended(int(lines[-1]))


@pytest.fixture
def _interrupts_pass_unnoticed() -> Iterator[None]:
    """Leaves Ctrl-C to whoever asks for it, as Airflow does in the process of a task."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interrupts_pass_unnoticed")
def test_ctrl_c_ends_the_task_and_what_it_started(interpreter: Interpreter) -> None:
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        if line.isdigit():
            os.kill(os.getpid(), signal.SIGINT)

    with hearing(hear), pytest.raises(KeyboardInterrupt), TimeLimit(60):
        operator(interpreter(LASTS)).execute(CONTEXT)
    assert ended(int(lines[-1]))


def test_the_time_limit_of_airflow_ends_the_task_and_what_it_started(
    interpreter: Interpreter,
) -> None:
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        if line.isdigit():
            os.kill(os.getpid(), signal.SIGALRM)

    with hearing(hear), pytest.raises(AirflowTaskTimeout), TimeLimit(60):
        operator(interpreter(LASTS)).execute(CONTEXT)
    assert any(line.isdigit() and ended(int(line)) for line in lines)


SECRET = "wJalr/XUtnFEMI+K7MDENG"


@pytest.fixture
def _lake_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a connection `lake`, in an environment with keys of its own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA-of-the-worker")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-worker")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-the-worker")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "7")
    fields = {"login": "AKIA1", "password": SECRET, "extra": {"endpoint_url": "http://s3.lab"}}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", **fields}))


PRINTS_AWS = """
import json, os
print(json.dumps({name: value for name, value in os.environ.items() if name[:4] == "AWS_"}))
"""


@pytest.mark.usefixtures("_lake_connection")
def test_a_connection_replaces_the_keys_of_the_environment(interpreter: Interpreter) -> None:
    assert operator(interpreter(PRINTS_AWS), connection="lake").execute(CONTEXT) == {
        "AWS_ACCESS_KEY_ID": "AKIA1",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL_S3": "http://s3.lab",
        "AWS_MAX_ATTEMPTS": "7",
    }


@pytest.mark.usefixtures("_lake_connection")
def test_without_a_connection_a_task_has_what_the_environment_says(
    interpreter: Interpreter,
) -> None:
    assert operator(interpreter(PRINTS_AWS)).execute(CONTEXT) == {
        "AWS_ACCESS_KEY_ID": "AKIA-of-the-worker",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-worker",
        "AWS_SESSION_TOKEN": "token-of-the-worker",
        "AWS_MAX_ATTEMPTS": "7",
    }


@pytest.mark.usefixtures("_lake_connection")
def test_no_command_line_of_this_machine_holds_the_secret(interpreter: Interpreter) -> None:
    python = interpreter("""
import json, os, pathlib
secret = os.environ["AWS_SECRET_ACCESS_KEY"].encode()
mine, others = pathlib.Path("/proc/self/cmdline"), pathlib.Path("/proc").glob("[0-9]*/cmdline")
def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
print(json.dumps({"task": b"etl" in read(mine), "shown": any(secret in read(it) for it in others)}))
""")
    printed = operator(python, connection="lake").execute(CONTEXT)
    assert printed == {"task": True, "shown": False}


@pytest.mark.usefixtures("_lake_connection")
@pytest.mark.parametrize("connection", ["lake", ""])
def test_a_secret_that_a_task_tells_is_in_neither_its_log_nor_its_reason(
    interpreter: Interpreter, connection: str
) -> None:
    python = interpreter("""
import os, sys
print("before", os.environ["AWS_SECRET_ACCESS_KEY"], "after", file=sys.stderr)
sys.exit("error: no access with " + os.environ["AWS_SECRET_ACCESS_KEY"])
""")
    lines: list[str] = []
    with hearing(lines.append), pytest.raises(AirflowException, match=r"with \*\*\*$"):
        operator(python, connection=connection).execute(CONTEXT)
    assert "before *** after" in lines


def test_a_connection_that_does_not_exist_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(AirflowFailException, match=r"'lake'.* does not exist; add it"):
        operator(tmp_path / "python", connection="lake").execute(CONTEXT)


def test_the_file_of_a_role_that_is_missing_is_not_taken_for_the_interpreter(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch
) -> None:
    extra = {
        "role_arn": "arn:aws:iam::123456789012:role/indexer",
        "assume_role_method": "assume_role_with_web_identity",
        "assume_role_with_web_identity_federation": "file",
        "assume_role_with_web_identity_token_file": "/no/such/token",
        "region_name": "eu-north-1",
    }
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", "extra": extra}))
    with pytest.raises(FileNotFoundError, match="/no/such/token"):
        operator(interpreter("print('{}')"), connection="lake").execute(CONTEXT)
