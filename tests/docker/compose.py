"""The stack for a team on a machine whose Docker has neither bridge nor registry.

Airflow's services are those of `docker/compose.yaml`, in containers, on the network of the machine.
PostgreSQL and the object store, whose images cannot be pulled, are processes of the machine.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.engine import REPOSITORY, REQUIRED

COMPOSE = REPOSITORY / "docker" / "compose.yaml"
SECRETS = ("POSTGRES_PASSWORD", "JWT_SECRET", "API_SECRET_KEY", "S3_ACCESS_KEY", "S3_SECRET_KEY")
FILLED_IN = {name: f"a-{name}" for name in (*SECRETS, "FERNET_KEY", "DOCKER_GROUP")}

# Of a service that need not run; without it that service does not start.
SEARCH_TOKEN = {"SEARCH_TOKEN": "a-SEARCH_TOKEN"}

# What is a process here.
PROCESSES = ("postgres", "object-store")


def lack(what: str) -> None:
    """Skips the test for want of something; fails it if it must not be skipped."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{what}, and {REQUIRED} is set")
    pytest.skip(what)


def compose(
    *arguments: str | Path, check: bool = False, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Runs whichever Compose there is."""
    command = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
    done = subprocess.run(
        [*command, *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if "is not a docker command" in done.stderr or "unknown" in done.stderr:
        lack("there is no Docker Compose")
    assert not (check and done.returncode), done.stdout[-2000:] + done.stderr[-2000:]
    return done


def on_this_machine(name: str, ports: Mapping[str, int]) -> dict[str, Any]:
    """Returns the compose file with the network of the machine in place of its own.

    Args:
        name: what nobody else's volumes are called.
        ports: of `postgres`, `object-store`, `api-server`, `search` and what else listens.
    """
    text = COMPOSE.read_text(encoding="utf-8")
    for old, new in {
        "@postgres/": f"@127.0.0.1:{ports['postgres']}/",
        "http://object-store:8333": f"http://127.0.0.1:{ports['object-store']}",
        "http://api-server:8080": f"http://127.0.0.1:{ports['api-server']}",
        "http://127.0.0.1:8080": f"http://127.0.0.1:{ports['api-server']}",
        "--host=0.0.0.0, --port=8000": f"--host=127.0.0.1, --port={ports['search']}",
        "http://127.0.0.1:8000": f"http://127.0.0.1:{ports['search']}",
        "image-search-scratch": f"{name}-scratch",
        "NETWORK: image-search": "NETWORK: host",
    }.items():
        assert old in text
        text = text.replace(old, new)
    stack: dict[str, Any] = yaml.safe_load(text)
    del stack["networks"]
    services = stack["services"] = {
        service: options
        for service, options in stack["services"].items()
        if service not in PROCESSES
    }
    for options in services.values():
        for option in ("build", "networks", "ports", "restart"):
            options.pop(option, None)
        options["depends_on"] = {
            other: condition
            for other, condition in options["depends_on"].items()
            if other not in PROCESSES
        }
        options["network_mode"] = "host"
        options["environment"] |= {
            "AIRFLOW__API__PORT": str(ports["api-server"]),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports["worker-log"]),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports["trigger-log"]),
        }
    return stack
