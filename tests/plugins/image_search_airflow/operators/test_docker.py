"""The operator that runs a task in a container, on a real engine."""

import json
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout

from image_search_airflow.operators.docker import DockerTaskOperator
from image_search_airflow.runner import run_task
from tests.docker.engine import docker, need_docker
from tests.docker.stand_in import build_stand_in
from tests.plugins.hearing import hearing, says_and_waits

pytestmark = pytest.mark.docker

# Untyped, as Airflow has it.
TimeLimit: Any = timeout

SECRET = "wJalr/XUtnFEMI+K7MDENG"

MakeTask = Callable[..., DockerTaskOperator]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> str:
    need_docker()
    return build_stand_in(tmp_path_factory.mktemp("image"))


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake in a folder, which belongs to the user of the image."""
    folder = tmp_path / "a lake"
    (folder / "master").mkdir(parents=True)
    for path in (folder, folder / "master"):
        os.chown(path, 10001, 10001)
    # pytest keeps its folders to itself.
    for path in (tmp_path, *tmp_path.parents[:3]):
        path.chmod(path.stat().st_mode | 0o055)
    monkeypatch.setenv("IMAGE_SEARCH_LAKE", folder.as_uri())
    return folder


@pytest.fixture(name="task")
def _task(image: str, lake: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTask:
    """Returns a function that makes the task etl, which does what a program says."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__RUNNER", "docker")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__IMAGE", image)
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__DOCKER__NETWORK", "none")

    def make(program: str, arguments: dict[str, Any] | None = None) -> DockerTaskOperator:
        variables = json.dumps({"PROGRAM": program})
        monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__TASKS__ETL__ENVIRONMENT", variables)
        operator = run_task("etl", arguments)
        assert isinstance(operator, DockerTaskOperator)
        return operator

    return make


@pytest.fixture(name="context")
def _context() -> Context:
    """What Airflow says of an attempt, of a run that no other test has."""
    instance = SimpleNamespace(dag_id="image_reindex", task_id="shards.etl", map_index=3)
    return cast(Context, {"run_id": f"manual__{uuid.uuid4()}", "ti": instance})


def containers(context: Context) -> list[str]:
    label = f"label=image-search.run={context['run_id']}"
    return docker("ps", "--all", "--quiet", "--filter", label).split()


def test_it_returns_the_object_that_the_task_prints_last(task: MakeTask, context: Context) -> None:
    program = """
import json, os, sys
print("loading")
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "uid": os.getuid(),
                  "threads": os.environ["IMAGE_SEARCH_THREADS"]}))
"""
    printed = task(program, {"shard": "a b;c $HOME"}).execute(context)
    assert printed["argv"][-2:] == ["--shard", "a b;c $HOME"]
    assert printed["argv"][0] == "etl"
    assert (printed["cwd"], printed["uid"], printed["threads"]) == ("/app", 10001, "2")
    assert containers(context) == []


def test_an_object_of_more_than_a_line_of_dockers_log_comes_back_whole(
    task: MakeTask, context: Context
) -> None:
    printed = task("print('{\"long\": \"' + 'x' * 100_000 + '\"}')").execute(context)
    assert len(printed["long"]) == 100_000


def test_a_line_is_in_the_log_while_the_task_still_runs(
    task: MakeTask, context: Context, lake: Path
) -> None:
    heard = lake / "heard"
    program = says_and_waits(heard)

    def hear(line: str) -> None:
        if line == "half way":
            heard.touch()

    with hearing(hear):
        assert task(program).execute(context) == {"heard": True}


def test_a_failure_ends_in_the_reason_that_the_task_gave(task: MakeTask, context: Context) -> None:
    with pytest.raises(AirflowException) as failure:
        task("raise SystemExit('working\\nerror: the plan is gone')").execute(context)
    assert str(failure.value) == "etl failed with exit status 1: the plan is gone"
    assert containers(context) == []


def test_what_a_person_must_mend_is_not_tried_again(task: MakeTask, context: Context) -> None:
    program = "import sys; print('error: no such lake', file=sys.stderr); sys.exit(2)"
    with pytest.raises(AirflowFailException, match="etl cannot run: no such lake"):
        task(program).execute(context)


def test_a_task_killed_for_memory_names_the_limit_and_the_setting(
    task: MakeTask, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__TASKS__ETL__MEMORY", "64Mi")
    with pytest.raises(AirflowException) as failure:
        task("eaten = [b'x' * 2**20 for _ in range(500)]").execute(context)
    assert str(failure.value) == (
        "etl ran out of memory and was killed at its limit of 64Mi; "
        "raise `memory` under [airflow.tasks.etl]"
    )


def test_a_task_has_no_more_rights_than_it_needs(task: MakeTask, context: Context) -> None:
    program = """
import json, os, pathlib
status = dict(line.split(":\\t", 1) for line in pathlib.Path("/proc/self/status").read_text()
              .splitlines() if ":\\t" in line)
def writable(folder):
    try:
        pathlib.Path(folder, "probe").write_text("")
    except OSError:
        return False
    return True
print(json.dumps({
    "capabilities": [status[name] for name in ("CapEff", "CapPrm", "CapBnd")],
    "new privileges": status["NoNewPrivs"] == "0",
    "writable": [it for it in ("/", "/app", "/etc", "/opt/venv", "/tmp", "/scratch")
                 if writable(it)],
    "interfaces": os.listdir("/sys/class/net"),
}))
"""
    printed = task(program).execute(context)
    assert {int(capabilities, 16) for capabilities in printed["capabilities"]} == {0}
    assert not printed["new privileges"]
    assert printed["writable"] == ["/scratch"]
    assert printed["interfaces"] == ["lo"]


def test_a_lake_in_a_folder_can_be_written_and_its_originals_cannot(
    task: MakeTask, context: Context, lake: Path
) -> None:
    program = f"""
import json, pathlib
def writable(folder):
    try:
        pathlib.Path(folder, "probe").write_text("")
    except OSError:
        return False
    return True
seen = {{"lake": writable({str(lake)!r}), "master": writable({str(lake / "master")!r})}}
print(json.dumps(seen))
"""
    assert task(program).execute(context) == {"lake": True, "master": False}
    assert (lake / "probe").stat().st_uid == 10001


def test_files_in_a_lake_belong_to_whom_the_lake_belongs(
    task: MakeTask, context: Context, lake: Path
) -> None:
    os.chown(lake, 4321, 4321)
    task(f"open({str(lake / 'mine')!r}, 'w').close(); print('{{}}')").execute(context)
    assert (lake / "mine").stat().st_uid == 4321


def test_no_folder_is_shown_to_a_task_on_a_lake_in_a_bucket(
    task: MakeTask, context: Context, lake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_LAKE", "s3://bucket/lake")
    program = f"import json, os; print(json.dumps({{'seen': os.path.exists({str(lake)!r})}}))"
    assert task(program).execute(context) == {"seen": False}


def test_a_lake_that_does_not_exist_is_named(
    task: MakeTask, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_LAKE", "file:///no/such/lake")
    with pytest.raises(AirflowException, match="/no/such/lake"):
        task("print('{}')").execute(context)


def test_the_keys_of_a_connection_reach_the_task_and_no_log(
    task: MakeTask, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"login": "AKIA1", "password": SECRET, "extra": {"endpoint_url": "http://s3.lab"}}
    monkeypatch.setenv("AIRFLOW_CONN_LAKE", json.dumps({"conn_type": "aws", **fields}))
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__CONNECTION", "lake")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-of-the-worker")
    program = """
import os, sys
print("it is", os.environ["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN"),
      os.environ["AWS_ENDPOINT_URL_S3"], os.environ["AWS_CA_BUNDLE"], file=sys.stderr)
sys.exit("error: refused with " + os.environ["AWS_SECRET_ACCESS_KEY"])
"""
    lines: list[str] = []
    with hearing(lines.append), pytest.raises(AirflowException, match=r"refused with \*\*\*$"):
        task(program).execute(context)
    assert "it is *** None http://s3.lab /etc/ssl/certs/ca-certificates.crt" in lines
    assert not any(SECRET in line for line in lines)


# Starts a process of its own, says so, and lasts longer than any test.
LASTS = """
import subprocess, sys, time
subprocess.Popen(["sleep", "{seconds}"])
print("started", file=sys.stderr, flush=True)
time.sleep(600)
"""


@pytest.fixture(name="seconds")
def _seconds() -> Iterator[str]:
    """How long the process of `LASTS` sleeps: the mark to find it by."""
    seconds = f"600.{uuid.uuid4().int % 10**12:012}"
    yield seconds
    assert not running(seconds)


def running(seconds: str) -> bool:
    return any(
        seconds in (process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    )


def test_on_kill_ends_the_container_and_what_runs_in_it(
    task: MakeTask, context: Context, seconds: str
) -> None:
    operator = task(LASTS.format(seconds=seconds))
    seen: list[tuple[bool, int]] = []

    def hear(line: str) -> None:
        if line == "started":
            # It may be on its way into the list of processes.
            seen.append((any(running(seconds) for _ in range(50)), len(containers(context))))
            operator.on_kill()

    with hearing(hear), pytest.raises(AirflowException, match="ended by SIGTERM"):
        operator.execute(context)
    assert seen == [(True, 1)]
    assert containers(context) == []


def test_the_time_limit_of_airflow_ends_the_container(
    task: MakeTask, context: Context, seconds: str
) -> None:
    def hear(line: str) -> None:
        if line == "started":
            os.kill(os.getpid(), signal.SIGALRM)

    with hearing(hear), pytest.raises(AirflowTaskTimeout), TimeLimit(60):
        task(LASTS.format(seconds=seconds)).execute(context)
    assert containers(context) == []


def test_the_next_attempt_ends_what_an_attempt_without_its_worker_left_running(
    task: MakeTask, context: Context, image: str, seconds: str
) -> None:
    labels = {"dag": "image_reindex", "run": context["run_id"], "task": "shards.etl", "map": "3"}
    options = [f"--label=image-search.{name}={value}" for name, value in labels.items()]
    command = ["run", "--detach", "--network=none", *options, "--entrypoint=sleep", image, seconds]
    left = docker(*command)
    assert task("print('{}')").execute(context) == {}
    assert docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={left}") == ""


@pytest.mark.parametrize(("pull", "reason"), [("never", "is not to"), ("missing", "cannot")])
def test_an_image_that_does_not_exist_is_named(
    task: MakeTask, context: Context, monkeypatch: pytest.MonkeyPatch, pull: str, reason: str
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__IMAGE", "127.0.0.1:1/{image}:7")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__DOCKER__PULL", pull)
    with pytest.raises(AirflowException) as failure:
        task("print('{}')").execute(context)
    assert f"the Docker engine has no image 127.0.0.1:1/data:7 and {reason} pull it" in str(
        failure.value
    )
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("host", ["unix:///no/such/socket", "tcp://127.0.0.1:1"])
def test_an_engine_that_does_not_answer_is_named(
    task: MakeTask, context: Context, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__DOCKER__HOST", host)
    with pytest.raises(AirflowException) as failure:
        task("print('{}')").execute(context)
    assert f"the Docker engine at {host} does not answer; start it, or correct" in str(
        failure.value
    )
    assert "\n" not in str(failure.value)


def test_killing_an_operator_that_has_not_started_does_nothing(task: MakeTask) -> None:
    task("print('{}')").on_kill()
