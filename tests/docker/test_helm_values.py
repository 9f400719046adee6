"""The values for Airflow's Helm chart: keys that the chart has, images that there are, no secrets.

The chart itself is not at hand; the keys below were read in its values.yaml and parameters
reference (1.19 to 1.22). No cluster has run it.
"""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from tests.docker.engine import REPOSITORY

VALUES: dict[str, Any] = yaml.safe_load(
    (REPOSITORY / "docs" / "helm-values.yaml").read_text("utf-8")
)

# Below those that end in a dot, everything is the reader's: Kubernetes' or Airflow's own.
KEYS = (
    "airflowVersion",
    "useStandardNaming",
    "images.airflow.repository",
    "images.airflow.tag",
    "uid",
    "gid",
    "airflowHome",
    "securityContexts.pod.",
    "securityContexts.containers.",
    "executor",
    "allowPodLaunching",
    "env",
    "extraEnv",
    "postgresql.enabled",
    "data.metadataSecretName",
    "fernetKeySecretName",
    "apiSecretKeySecretName",
    "jwtSecretName",
    "createUserJob.enabled",
    "config.",
    "redis.enabled",
    "statsd.enabled",
    "scheduler.logGroomerSidecar.enabled",
    "triggerer.logGroomerSidecar.enabled",
    "dagProcessor.logGroomerSidecar.enabled",
)


def paths(values: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from paths(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def test_the_chart_has_every_key() -> None:
    open_ended = tuple(key for key in KEYS if key.endswith("."))
    unknown = [it for it in paths(VALUES) if it not in KEYS and not it.startswith(open_ended)]
    assert unknown == []


def test_values_name_the_images_of_this_repository() -> None:
    environment = {it["name"]: it["value"] for it in VALUES["env"]}
    image = environment["IMAGE_SEARCH_AIRFLOW__IMAGE"]
    assert image.format(image="airflow") == (
        f"{VALUES['images']['airflow']['repository']}:{VALUES['images']['airflow']['tag']}"
    )


def test_it_is_the_airflow_that_the_image_holds() -> None:
    locked = (REPOSITORY / "requirements" / "airflow.txt").read_text("utf-8")
    assert f"apache-airflow=={VALUES['airflowVersion']} " in locked


def test_pods_run_as_the_user_of_the_image_and_without_rights() -> None:
    dockerfile = (REPOSITORY / "docker" / "Dockerfile").read_text("utf-8")
    pod, container = (VALUES["securityContexts"][it] for it in ("pod", "containers"))
    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" in dockerfile
    assert (VALUES["uid"], VALUES["gid"]) == (pod["runAsUser"], pod["runAsGroup"])
    assert pod["runAsNonRoot"]
    assert container == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_no_value_is_a_secret() -> None:
    said = json.dumps(VALUES).lower()
    assert not any(it in said for it in ("password", "access_key", "postgresql://", 'fernetkey"'))
