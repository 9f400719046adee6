import json
import os
import subprocess
import sys

from tests.plugins import airflow_environment

PRINT_KEY = (
    "import os; print(os.environ.get('AWS_ACCESS_KEY_ID'), os.environ.get('AWS_SESSION_TOKEN'))"
)


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    plugins = str(airflow_environment.DAGS.parent / "plugins")
    module = "image_search_airflow.with_access"
    return subprocess.run(
        [sys.executable, "-m", module, sys.executable, "-c", PRINT_KEY],
        env={**kept, "PYTHONPATH": plugins, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_without_a_connection_a_command_has_the_environment_as_it_is() -> None:
    assert run(AWS_SESSION_TOKEN="mine").stdout == "None mine\n"


def test_a_command_gets_the_keys_of_the_connection() -> None:
    connection = json.dumps({"conn_type": "aws", "login": "AKIA1", "password": "secret"})
    done = run(
        AWS_SESSION_TOKEN="mine",
        AIRFLOW_CONN_LAKE=connection,
        IMAGE_SEARCH_AIRFLOW__CONNECTION="lake",
    )
    assert done.stdout == "AKIA1 None\n"


def test_a_mistake_in_the_connection_is_one_line_and_nothing_runs() -> None:
    connection = json.dumps({"conn_type": "aws", "extra": {"verify": False}})
    done = run(AIRFLOW_CONN_LAKE=connection, IMAGE_SEARCH_AIRFLOW__CONNECTION="lake")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: the connection 'lake'" in done.stderr.splitlines()[-1]
    assert "turns off the verification of TLS" in done.stderr
