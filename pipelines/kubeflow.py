"""Reindex and search as Kubeflow pipelines (KFP v2): what to run in which order, nothing more.

`python -m pipelines.kubeflow FOLDER` writes image_reindex.yaml and image_search.yaml. Images,
resources and settings are those of the Airflow tasks; see "Kubeflow" in docs/operations.md.
"""

# pylint: disable=no-member,no-value-for-parameter  # KFP puts tasks in the place of these functions

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp import compiler, dsl, kubernetes

from image_search_airflow.container_environment import settings_variables
from image_search_airflow.settings import Settings

SETTINGS = Settings()

# What a Kubernetes Secret named under `secrets` must hold, and may hold for tasks that use a vector
# database: then the one may have the keys of the store and another the token.
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
_WITH_TOKEN = (*_KEYS, "MILVUS_TOKEN")


def _task(name: str, lake: str, *options: Any, **outputs: Any) -> dsl.ContainerSpec:
    """Returns the container of a task: arguments in, the named fields of its result out."""
    to_files = [
        it
        for field, path in outputs.items()
        for it in ("--result-file", dsl.ConcatPlaceholder([f"{field}=", path]))
    ]
    return dsl.ContainerSpec(
        image=SETTINGS.airflow.task(name).image,
        command=["python", "-m", "tasks"],
        args=[*to_files, name, "--lake", lake, "--run", dsl.PIPELINE_JOB_ID_PLACEHOLDER, *options],
    )


@dsl.container_component
def plan(  # noqa: D103
    lake: str, prefix: str, anything_to_do: dsl.OutputPath(bool), shards: dsl.OutputPath(list)
):
    return _task("plan", lake, "--prefix", prefix, anything_to_do=anything_to_do, shards=shards)


@dsl.container_component
def build_model(lake: str) -> dsl.ContainerSpec:  # noqa: D103
    return _task("build_model", lake)


@dsl.container_component
def etl(lake: str, shard: str) -> dsl.ContainerSpec:  # noqa: D103
    return _task("etl", lake, "--shard", shard)


@dsl.container_component
def feature_engineering(lake: str, shard: str) -> dsl.ContainerSpec:  # noqa: D103
    return _task("feature_engineering", lake, "--shard", shard)


@dsl.container_component
def vectorize(lake: str, shard: str) -> dsl.ContainerSpec:  # noqa: D103
    return _task("vectorize", lake, "--shard", shard)


@dsl.container_component
def publish(lake: str) -> dsl.ContainerSpec:  # noqa: D103
    return _task("publish", lake, "--held")


@dsl.container_component
def evaluate(lake: str) -> dsl.ContainerSpec:  # noqa: D103
    return _task("evaluate", lake, "--gate")


@dsl.container_component
def load(lake: str) -> dsl.ContainerSpec:  # noqa: D103
    return _task("load", lake)


@dsl.container_component
def prune(lake: str) -> dsl.ContainerSpec:  # noqa: D103
    return _task("prune", lake)


@dsl.container_component
def search(lake: str, query: str, top_n: int, results: dsl.OutputPath(list)) -> dsl.ContainerSpec:  # noqa: D103
    return _task("search", lake, "--query", query, "--top-n", top_n, results=results)


def _as_set(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Gives a task what the settings say it needs."""
    name = task.name.replace("-", "_")
    wanted = SETTINGS.airflow.task(name)
    _uncached(task).set_retry(SETTINGS.airflow.retries, backoff_duration="30s", backoff_factor=2)
    task.set_cpu_request(f"{wanted.cpus:g}").set_cpu_limit(f"{wanted.cpus:g}")
    task.set_memory_request(wanted.memory).set_memory_limit(wanted.memory)
    if wanted.gpus:
        task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(wanted.gpus)
    for variable, value in settings_variables(wanted).items():
        task.set_env_variable(variable, value)
    uses_database = bool(SETTINGS.vector_database.uri) and name in ("load", "search")
    keys = _WITH_TOKEN if uses_database else _KEYS
    for secret in wanted.secrets:
        mapping = dict(zip(keys, keys, strict=True))
        kubernetes.use_secret_as_env(task, secret, mapping, optional=uses_database)
    for label, value in wanted.node_selector.items():
        kubernetes.add_node_selector(task, label, value)
    for toleration in wanted.tolerations:
        kubernetes.add_toleration(task, **toleration)
    return task


def _uncached(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Lets a task run each time: catalogues change, and what is complete it finds in the lake."""
    return task.set_caching_options(False)


# Of their own, as a backend waits for a whole pipeline where it may not wait for a loop.
@dsl.pipeline
def embed_shards(lake: str, shards: list):
    """Turns the images of each shard into vectors."""
    with dsl.ParallelFor(shards, parallelism=SETTINGS.airflow.max_parallel_shards) as it:
        landed = _as_set(etl(lake=lake, shard=it.shard))
        engineered = _as_set(feature_engineering(lake=lake, shard=it.shard)).after(landed)
        _as_set(vectorize(lake=lake, shard=it.shard)).after(engineered)


@dsl.pipeline
def work_on_changes(lake: str, anything_to_do: bool, shards: list):
    """Embeds what changed and publishes the next release, if anything did."""
    # pylint: disable-next=singleton-comparison  # a condition of KFP, not of Python
    with dsl.If(anything_to_do == True):  # noqa: E712
        model = _as_set(build_model(lake=lake))
        embedded = _uncached(embed_shards(lake=lake, shards=shards)).after(model)
        published = _as_set(publish(lake=lake)).after(embedded)
        accepted = _as_set(evaluate(lake=lake)).after(published)
        if SETTINGS.vector_database.uri:
            accepted = _as_set(load(lake=lake)).after(accepted)
        _as_set(prune(lake=lake)).after(accepted)


@dsl.pipeline(name="image-reindex", description="Bring the image index up to date.")
def image_reindex(lake: str = SETTINGS.lake, prefix: str = ""):
    """Finds out what changed, and works on it."""
    found = _as_set(plan(lake=lake, prefix=prefix)).outputs
    _uncached(work_on_changes(lake=lake, **found))


@dsl.pipeline(name="image-search", description="Find the images most like one image.")
def image_search(query: str, top_n: int = 5, lake: str = SETTINGS.lake) -> list:
    """Answers with names and scores."""
    return _as_set(search(lake=lake, query=query, top_n=top_n)).outputs["results"]


PIPELINES: Mapping[str, Any] = {"image_reindex": image_reindex, "image_search": image_search}


def main() -> None:
    """Writes the pipelines to the folder of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, pipeline in PIPELINES.items():
        compiler.Compiler().compile(pipeline, str(folder / f"{name}.yaml"))
        print(folder / f"{name}.yaml")


if __name__ == "__main__":
    main()
