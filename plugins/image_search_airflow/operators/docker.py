"""Runs a task in a Docker container of its own.

The provider's DockerOperator cannot make the root file system read only, drop capabilities, limit
cores, or tell a task's log from its result, so this takes the connection from its hook alone.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from airflow.providers.docker.hooks.docker import DockerHook
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from docker import APIClient
from docker.types import DeviceRequest, LogConfig, Mount

from image_search_airflow.container import Container, engine_errors
from image_search_airflow.container_environment import (
    local_folder,
    settings_variables,
    shown_folders,
)
from image_search_airflow.contract import out_of_memory
from image_search_airflow.operators.task import RunningTask, TaskOperator
from image_search_airflow.s3_access import s3_variables, with_variables
from image_search_airflow.settings import Settings

SCRATCH = "/scratch"
_PEMS = ("ca", "cert", "key")

# Variables that name a file on this machine: the image has its own certificates, and no profiles.
_NAME_FILES = {
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
}


class DockerTaskOperator(TaskOperator):
    """Runs `python -m tasks <task> …` in the task's image, with as few rights as it can do with.

    Args:
        **kwargs: those of `TaskOperator`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._settings = Settings()
        self._docker = self._settings.airflow.docker
        self._task = self._settings.airflow.task(self.task_name)

    def environment(self) -> Mapping[str, str]:
        """Returns the settings, access to S3, and what else is to be passed on."""
        passed = ("AWS_*", *self._docker.pass_environment)
        ours = {
            name: value
            for name, value in os.environ.items()
            if any(fnmatchcase(name, pattern) for pattern in passed) and name not in _NAME_FILES
        }
        access = s3_variables(self.connection) if self.connection else {}
        if "AWS_PROFILE" in access:
            raise AirflowFailException(
                f"the connection {self.connection!r} names a profile, which a container does not "
                "have; put keys or a role into the connection"
            )
        access.pop("AWS_CA_BUNDLE", None)
        return {**with_variables(ours, access), **settings_variables(self._task)}

    def start(
        self, options: Sequence[str], environment: Mapping[str, str], context: Context
    ) -> Container:
        """Creates and starts the container."""
        image = self._task.image
        self.log.info("%s", shlex.join(["docker", "run", image, "-m", "tasks", *options]))
        client = self._client()
        return Container(
            client,
            {
                "image": image,
                "command": list(options),
                "environment": dict(environment),
                "user": self._docker.user or self._owner_of_the_lake(),
                "host_config": self._host_config(client),
            },
            _labels(context),
            pull=self._docker.pull == "missing",
        )

    def failure(self, running: RunningTask, status: int, last_line: str) -> AirflowException:
        """Returns the exception for a task that failed; tells if memory ran out."""
        if isinstance(running, Container) and running.ran_out_of_memory():
            return out_of_memory(self.task_name, self._task.memory)
        return super().failure(running, status, last_line)

    def _client(self) -> APIClient:
        host = self._docker.host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        ca, cert, key = (Path(self._docker.tls_folder, f"{name}.pem") for name in _PEMS)
        tls = (
            DockerHook.construct_tls_config(str(ca), str(cert), str(key))
            if self._docker.tls_folder
            else None
        )
        with engine_errors(host):
            try:
                return DockerHook(
                    docker_conn_id=self._docker.registry_connection or None,
                    base_url=host,
                    version="auto",
                    tls=tls,
                ).api_client
            except AirflowException as error:
                # The hook has logged the reason.
                raise OSError(str(error)) from error

    def _host_config(self, client: APIClient) -> Mapping[str, Any]:
        with engine_errors():
            cores = client.info()["NCPU"]
        gpus = DeviceRequest(driver="nvidia", count=self._task.gpus, capabilities=[["gpu"]])
        config: Mapping[str, Any] = client.create_host_config(
            mounts=self._mounts(),
            network_mode=self._docker.network,
            mem_limit=self._task.memory_bytes,
            memswap_limit=self._task.memory_bytes,
            nano_cpus=int(min(self._task.cpus, cores) * 1e9),
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            # Passes signals on, and collects what a task leaves behind.
            init=True,
            device_requests=[gpus] if self._task.gpus else None,
            # One that the result can be read from, whatever the engine's default is.
            log_config=LogConfig(type=LogConfig.types.JSON),
        )
        return config

    def _mounts(self) -> list[Mount]:
        scratch = Mount(SCRATCH, self._docker.scratch or None, type="volume")
        try:
            folders = shown_folders(self._settings, self.lake, self._docker.read_only)
        except ValueError as error:
            raise AirflowFailException(f"{self.task_name} cannot run: {error}") from None
        return [scratch] + [
            Mount(str(folder), str(folder), type="bind", read_only=not writable)
            for folder, writable in folders.items()
        ]

    def _owner_of_the_lake(self) -> str | None:
        """Returns who may write to a lake in a folder, unless that is root or not seen here."""
        folder = local_folder(self.lake)
        with suppress(OSError):
            if folder and (owner := folder.stat()).st_uid != 0:
                return f"{owner.st_uid}:{owner.st_gid}"
        return None


def _labels(context: Context) -> dict[str, str]:
    """Returns what marks all containers of one task instance, whichever attempt."""
    instance = context.get("ti")
    if instance is None:
        return {}
    return {
        "image-search.dag": instance.dag_id,
        "image-search.run": context["run_id"],
        "image-search.task": instance.task_id,
        "image-search.map": str(instance.map_index),
    }
