"""Runs a task in a Kubernetes pod of its own, made from the template in `config/`."""

import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException
from kubernetes.client import (
    ApiException,
    V1ContainerStateTerminated,
    V1EnvFromSource,
    V1ResourceRequirements,
    V1SecretEnvSource,
)
from urllib3.exceptions import HTTPError

from image_search_airflow.container_environment import settings_variables
from image_search_airflow.contract import out_of_memory, task_arguments, task_failure
from image_search_airflow.runner_settings import REPOSITORY, TaskSettings
from image_search_airflow.settings import Settings

# The result is read from a second container; it gets no more rights than the first.
_SIDECAR_RIGHTS = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_SIGNALLED = 128


class KubernetesTaskOperator(KubernetesPodOperator):
    """Runs `python -m tasks <task> …` in a pod and returns the JSON object that the task prints.

    Args:
        task_name: the task to run.
        lake: root of the lake, a URI.
        arguments: the task's own options, see `task_arguments`.
        map_label: what a mapped task is called in the UI, with the `map_index_template`
            `{{ task.map_label }}`.
        **kwargs: those of every Airflow operator.
    """

    template_fields: Sequence[str] = (
        *KubernetesPodOperator.template_fields,
        "lake",
        "task_options",
        "map_label",
    )

    def __init__(
        self,
        *,
        task_name: str,
        lake: str,
        arguments: Mapping[str, Any] | None = None,
        map_label: str | None = None,
        **kwargs: Any,
    ) -> None:
        settings = Settings()
        task, cluster = settings.airflow.task(task_name), settings.airflow.kubernetes
        super().__init__(
            name=f"image-search-{task_name}",
            image=task.image,
            namespace=cluster.namespace or None,
            pod_template_file=str(REPOSITORY / cluster.pod_template),
            env_vars=settings_variables(task),
            env_from=[V1EnvFromSource(secret_ref=V1SecretEnvSource(name)) for name in task.secrets],
            container_resources=_resources(task),
            node_selector=task.node_selector,
            tolerations=list(task.tolerations),
            service_account_name=task.service_account or None,
            xcom_sidecar_container_security_context=_SIDECAR_RIGHTS,
            startup_timeout_seconds=cluster.startup_timeout_seconds,
            startup_check_interval_seconds=1,
            # The last lines of the log, which end in the reason, are kept with the pod.
            termination_message_policy="FallbackToLogsOnError",
            container_name_log_prefix_enabled=False,
            log_pod_spec_on_failure=False,
            do_xcom_push=True,
            kubernetes_conn_id=cluster.connection or KubernetesHook.default_conn_name,
            **kwargs,
        )
        self.task_name = task_name
        self.lake = lake
        self.task_options = arguments or {}
        self.map_label = map_label
        self._memory = task.memory

    def execute(self, context: Context) -> dict[str, Any]:
        """Runs the pod to its end; its log lines appear in this task's log as they are written.

        Raises:
            AirflowException: the task failed, or the cluster could not run it.
        """
        self.arguments = task_arguments(
            self.task_name, lake=self.lake, run_id=context["run_id"], arguments=self.task_options
        )
        self.log.info("%s", shlex.join(["pod", str(self.image), "-m", "tasks", *self.arguments]))
        # Airflow lets Ctrl-C end this process on the spot, and the pod would go on without it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            result = super().execute(context)
        except AirflowException as error:
            raise self._failure(error) from error
        except (ApiException, HTTPError) as error:
            raise AirflowException(_api_failure(error)) from error
        if not isinstance(result, dict):
            raise AirflowException(
                f"{self.task_name} must print one JSON object as its last line on stdout; the pod "
                "left none"
            )
        return result

    def _failure(self, error: AirflowException) -> AirflowException:
        """Returns the exception for a pod that failed, in the words of the other runners."""
        ended = self._ended()
        if ended is None:
            # Cleaning up after the first error, the provider raises another one.
            first = error.__context__ if isinstance(error.__context__, AirflowException) else error
            reason = " ".join(str(first).split())
            if "pulled" in reason:
                return AirflowException(
                    f"the cluster cannot pull the image {self.image}; push it, or correct `image` "
                    f"under [airflow] ({reason})"
                )
            return AirflowException(f"{self.task_name} did not run in its pod: {reason}")
        if ended.reason == "OOMKilled":
            return out_of_memory(self.task_name, self._memory)
        status = int(ended.exit_code)
        lines = [line for line in re.split(r"[\r\n]", ended.message or "") if line.strip()]
        return task_failure(
            self.task_name,
            _SIGNALLED - status if status > _SIGNALLED else status,
            lines[-1].strip() if lines else "",
        )

    def _ended(self) -> V1ContainerStateTerminated | None:
        """Returns how the task's container ended, if it did and did not succeed."""
        status = self.remote_pod.status if self.remote_pod else None
        for container in (status.container_statuses if status else None) or ():
            if container.name == self.base_container_name and container.state.terminated:
                ended = container.state.terminated
                return ended if ended.exit_code else None
        return None


def _resources(task: TaskSettings) -> V1ResourceRequirements:
    """Returns requests and limits; equal, so that a task is not driven out by its neighbours."""
    amounts: dict[str, str] = {"cpu": f"{task.cpus:g}", "memory": task.memory}
    if task.gpus:
        amounts["nvidia.com/gpu"] = str(task.gpus)
    return V1ResourceRequirements(requests=dict(amounts), limits=amounts)


def _api_failure(error: ApiException | HTTPError) -> str:
    if isinstance(error, ApiException):
        body = " ".join(str(error.body or error.reason).split())[:500]
        return f"the Kubernetes API refuses the pod of the task ({error.status}): {body}"
    return (
        "the Kubernetes API does not answer; correct `connection` under [airflow.kubernetes] "
        f"({' '.join(str(error).split())[:300]})"
    )
