"""Typed settings of where tasks run: one section for each runner, and what a single task needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field

REPOSITORY = Path(__file__).resolve().parents[2]

Runner = Literal["process", "docker", "kubernetes"]
# As Kubernetes writes it: 512Mi, 4Gi.
Memory = Annotated[str, Field(pattern=r"^[1-9]\d*(Mi|Gi)$")]

_BYTES = {"Mi": 2**20, "Gi": 2**30}


class TaskSettings(BaseModel):
    """What one task runs in and may use; the process runner takes the runner alone from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    runner: Runner = Field("process", description="Where it runs, if not where the others do.")
    image: str = Field("", description="Its image, if not that of `image` under [airflow].")
    cpus: float = Field(1, gt=0, description="Cores it gets, and threads it computes with.")
    memory: Memory = Field("1Gi", description="Memory after which it is killed: 512Mi, 4Gi.")
    gpus: int = Field(0, ge=0, description="NVIDIA GPUs it gets.")
    environment: dict[str, str] = Field({}, description="Further variables; nothing secret.")
    secrets: tuple[str, ...] = Field((), description="Kubernetes Secrets; their keys, variables.")
    node_selector: dict[str, str] = Field({}, description="Labels its Kubernetes node must have.")
    tolerations: tuple[dict[str, Any], ...] = Field((), description="Taints it bears, Kubernetes.")
    service_account: str = Field("", description="Kubernetes service account it runs as.")

    @property
    def memory_bytes(self) -> int:
        """The memory limit in bytes."""
        return int(self.memory[:-2]) * _BYTES[self.memory[-2:]]


# The image of each task, and what it takes at 500 images a shard; see docs/operations.md.
_DEFAULTS: Mapping[str, tuple[str, float, str]] = {
    "plan": ("data", 1, "1Gi"),
    "etl": ("data", 2, "4Gi"),
    "feature_engineering": ("data", 1, "1Gi"),
    "build_model": ("model", 2, "8Gi"),
    "vectorize": ("vectorize", 2, "2Gi"),
    "publish": ("data", 1, "2Gi"),
    "evaluate": ("data", 1, "2Gi"),
    "load": ("search", 1, "2Gi"),
    "prune": ("data", 1, "1Gi"),
    "search": ("search", 2, "2Gi"),
}
TaskName = Literal[
    "plan",
    "etl",
    "feature_engineering",
    "build_model",
    "vectorize",
    "publish",
    "evaluate",
    "load",
    "prune",
    "search",
]


TASK_NAMES: tuple[str, ...] = get_args(TaskName)


def task_settings(
    name: str, runner: Runner, image: str, overrides: Mapping[TaskName, TaskSettings]
) -> TaskSettings:
    """Returns what a task runs in: what is set for it, else the defaults.

    Args:
        name: name of the task.
        runner: where tasks run that say nothing else.
        image: name of the images, with `{image}` for data, model, vectorize or search.
        overrides: what is set for single tasks.
    """
    target, cpus, memory = _DEFAULTS[name]
    defaults = {
        "runner": runner,
        "image": image.replace("{image}", target),
        "cpus": cpus,
        "memory": memory,
    }
    override = overrides.get(cast(TaskName, name), TaskSettings()).model_dump(exclude_unset=True)
    return TaskSettings(**{**defaults, **override})


class DockerSettings(BaseModel):
    """The engine that containers run on, and what they can reach."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("", description="Engine: unix:///…, tcp://…; empty: DOCKER_HOST, the local.")
    tls_folder: str = Field("", description="ca.pem, cert.pem and key.pem for a tcp:// engine.")
    network: str = Field("bridge", description="Network of the containers, as Docker names it.")
    user: str = Field(
        "", description="uid:gid of tasks; empty: the owner of a file:// lake, else the image's."
    )
    pull: Literal["missing", "never"] = Field("missing", description="When images are pulled.")
    registry_connection: str = Field("", description="Airflow connection (docker) to a registry.")
    scratch: str = Field(
        "", description="Volume that keeps models and indexes for the next task; empty: none."
    )
    read_only: tuple[Path, ...] = Field((), description="Further folders that tasks may read.")
    pass_environment: tuple[str, ...] = Field(
        (), description="Variables of Airflow's environment that tasks get, besides AWS_*."
    )


class KubernetesSettings(BaseModel):
    """The cluster that pods run on, and the template they are made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection: str = Field(
        "", description="Airflow connection (kubernetes); empty: the cluster Airflow is in."
    )
    namespace: str = Field("", description="Namespace of the pods; empty: the connection's.")
    pod_template: Path = Field(
        REPOSITORY / "config" / "pod_template.yaml",
        description="What every pod has; relative to the repository.",
    )
    startup_timeout_seconds: int = Field(
        600, gt=0, description="Longest a pod may take to be scheduled, and to start."
    )
