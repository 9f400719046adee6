"""The operator that runs a task in a pod: what pods it makes, and how it runs one.

No cluster ran it; a stand-in answers the calls of the API.
"""

import json
import os
import signal
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import kubernetes_validate
import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout
from kubernetes.client import ApiClient

from image_search_airflow.operators.kubernetes import KubernetesTaskOperator
from image_search_airflow.runner import run_task
from image_search_airflow.runner_settings import TASK_NAMES
from tests.docker.pod_security import breaches
from tests.plugins.hearing import hearing
from tests.plugins.kubernetes_api import Cluster, running_cluster

# Untyped, as Airflow has it.
TimeLimit: Any = timeout

CONTEXT = cast(
    Context,
    {
        "run_id": "manual__2026-01-31T02:00:00+00:00",
        "dag": SimpleNamespace(),
        "ti": SimpleNamespace(
            dag_id="image_reindex",
            task_id="shards.etl",
            map_index=3,
            try_number=1,
            xcom_push=lambda key, value: None,
        ),
    },
)


@pytest.fixture(autouse=True)
def _kubernetes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_LAKE", "s3://bucket/lake")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__RUNNER", "kubernetes")
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__IMAGE", "registry.lab/image-search/{image}:1.2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-worker")


@pytest.fixture(name="cluster")
def _cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    with running_cluster() as cluster:
        extra = {"kube_config": json.dumps(cluster.kubeconfig()), "namespace": "search"}
        connection = {"conn_type": "kubernetes", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_CLUSTER", json.dumps(connection))
        monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__KUBERNETES__CONNECTION", "cluster")
        yield cluster


def operator(name: str = "etl", **arguments: Any) -> KubernetesTaskOperator:
    task = run_task(name, arguments)
    assert isinstance(task, KubernetesTaskOperator)
    return task


def pod_of(name: str) -> dict[str, Any]:
    """Returns the pod of a task as it is sent to the API, without what is empty."""
    pod = operator(name).build_pod_request_obj(dry_run=True)
    document = cast("dict[str, Any]", ApiClient().sanitize_for_serialization(pod))
    return cast("dict[str, Any]", filled(document))


def filled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: filled(it) for key, it in value.items() if it not in ({}, [], None)}
    return [filled(it) for it in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_pod_of_every_task_is_one_by_the_schema_of_kubernetes(name: str) -> None:
    pod = pod_of(name)
    pod["spec"]["volumes"] = [
        it if len(it) > 1 else {**it, "emptyDir": {}} for it in pod["spec"]["volumes"]
    ]
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


def test_the_schema_is_really_looked_at() -> None:
    pod = pod_of("plan")
    pod["spec"]["restart"] = "Never"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_pod_of_every_task_keeps_the_restricted_security_standard(name: str) -> None:
    pod = pod_of(name)
    assert breaches(pod) == []
    assert all(it["securityContext"]["readOnlyRootFilesystem"] for it in pod["spec"]["containers"])


def test_a_pod_that_breaks_the_standard_is_noticed() -> None:
    pod = pod_of("plan")
    del pod["spec"]["securityContext"]
    del pod["spec"]["containers"][1]["securityContext"]
    assert len(breaches(pod)) == 6


def test_no_secret_of_airflow_is_in_a_pod() -> None:
    assert "secret-of-the-worker" not in json.dumps(pod_of("plan"))


def test_what_is_set_for_a_task_is_in_its_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "IMAGE_SEARCH_AIRFLOW__TASKS__VECTORIZE__"
    tolerations = [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    for name, value in {
        "IMAGE": "registry.lab/gpu:2",
        "CPUS": "1.5",
        "MEMORY": "3Gi",
        "GPUS": "1",
        "NODE_SELECTOR": '{"pool": "gpu"}',
        "TOLERATIONS": json.dumps(tolerations),
        "SERVICE_ACCOUNT": "indexer",
        "SECRETS": '["s3-keys"]',
        "ENVIRONMENT": '{"AWS_ENDPOINT_URL": "https://s3.lab"}',
    }.items():
        monkeypatch.setenv(prefix + name, value)
    spec = pod_of("vectorize")["spec"]
    container = spec["containers"][0]
    amounts = {"cpu": "1.5", "memory": "3Gi", "nvidia.com/gpu": "1"}
    assert container["resources"] == {"requests": amounts, "limits": amounts}
    assert container["image"] == "registry.lab/gpu:2"
    assert container["envFrom"] == [{"secretRef": {"name": "s3-keys"}}]
    assert {"name": "AWS_ENDPOINT_URL", "value": "https://s3.lab"} in container["env"]
    assert {"name": "IMAGE_SEARCH_THREADS", "value": "2"} in container["env"]
    assert (spec["nodeSelector"], spec["tolerations"]) == ({"pool": "gpu"}, tolerations)
    assert spec["serviceAccountName"] == "indexer"
    assert pod_of("search")["spec"]["containers"][0]["image"] == (
        "registry.lab/image-search/search:1.2"
    )


def test_a_task_runs_in_its_pod_and_its_result_comes_back(cluster: Cluster) -> None:
    cluster.program = """
import json, os, sys
print("half way", file=sys.stderr)
print(json.dumps({"argv": sys.argv[1:], "threads": os.environ["IMAGE_SEARCH_THREADS"]}))
"""
    lines: list[str] = []
    with hearing(lines.append):
        printed = operator(shard="a b;c $HOME").execute(CONTEXT)
    assert printed["argv"] == [
        *("etl", "--lake", "s3://bucket/lake"),
        *("--run", "manual__2026-01-31T02-00-00-00-00", "--shard", "a b;c $HOME"),
    ]
    assert printed["threads"] == "2"
    assert any("half way" in line for line in lines)
    order = [call for call in cluster.calls if call in ("create", "logs", "exec", "delete")]
    assert order == ["create", "logs", "exec", "exec", "delete"]
    assert cluster.pods == {}
    (pod,) = cluster.created
    assert pod["metadata"]["namespace"] == "search"
    assert pod["metadata"]["labels"]["task_id"] == "shards.etl"


def test_a_failure_ends_in_the_reason_that_the_task_gave(cluster: Cluster) -> None:
    cluster.program = "raise SystemExit('working\\nerror: the plan is gone; run plan again')"
    with pytest.raises(AirflowException) as failure:
        operator().execute(CONTEXT)
    assert str(failure.value) == "etl failed with exit status 1: the plan is gone; run plan again"
    assert cluster.pods == {}


def test_what_a_person_must_mend_is_not_tried_again(cluster: Cluster) -> None:
    cluster.program = "import sys; print('error: no such lake', file=sys.stderr); sys.exit(2)"
    with pytest.raises(AirflowFailException, match="etl cannot run: no such lake"):
        operator().execute(CONTEXT)


def test_a_pod_killed_for_memory_names_the_limit_and_the_setting(cluster: Cluster) -> None:
    cluster.program = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    cluster.ends_as = {"exitCode": 137, "reason": "OOMKilled"}
    with pytest.raises(AirflowException) as failure:
        operator().execute(CONTEXT)
    assert str(failure.value) == (
        "etl ran out of memory and was killed at its limit of 4Gi; "
        "raise `memory` under [airflow.tasks.etl]"
    )


def test_an_image_that_cannot_be_pulled_is_named(cluster: Cluster) -> None:
    cluster.waits_for = {"reason": "ErrImagePull", "message": "no such manifest"}
    with pytest.raises(AirflowException) as failure:
        operator().execute(CONTEXT)
    assert "cannot pull the image registry.lab/image-search/data:1.2" in str(failure.value)
    assert "\n" not in str(failure.value)
    assert cluster.pods == {}


def test_a_task_that_prints_no_object_breaks_the_contract(cluster: Cluster) -> None:
    cluster.program = "pass"
    with pytest.raises(AirflowException, match="one JSON object as its last line"):
        operator().execute(CONTEXT)


LASTS = """
import sys, time
print("started", file=sys.stderr, flush=True)
print("goes on", file=sys.stderr, flush=True)
time.sleep(600)
"""


def test_on_kill_deletes_the_pod(cluster: Cluster) -> None:
    cluster.program = LASTS
    task = operator()

    def hear(line: str) -> None:
        if line == "started":
            task.on_kill()

    with hearing(hear), pytest.raises(AirflowException):
        task.execute(CONTEXT)
    assert cluster.pods == {}
    assert all(process.poll() is not None for process in cluster.processes.values())


def test_the_time_limit_of_airflow_deletes_the_pod(cluster: Cluster) -> None:
    cluster.program = LASTS

    def hear(line: str) -> None:
        if line == "started":
            os.kill(os.getpid(), signal.SIGALRM)

    with hearing(hear), pytest.raises((AirflowException, AirflowTaskTimeout)), TimeLimit(60):
        operator().execute(CONTEXT)
    assert cluster.pods == {}


def test_keys_of_a_connection_are_not_handed_to_a_pod(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMAGE_SEARCH_AIRFLOW__CONNECTION", "lake")
    with pytest.raises(ValueError, match="give tasks a `service_account` or `secrets`"):
        operator()


def test_what_depends_on_the_run_can_be_a_template() -> None:
    make: Callable[..., KubernetesTaskOperator] = operator
    assert {"lake", "task_options", "map_label"} <= set(make().template_fields)
