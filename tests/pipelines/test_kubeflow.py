"""What the Kubeflow pipelines are compiled to."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).parents[2]
IMAGE = "registry.lab/image-search/{image}:1.2"


def compiled(folder: Path, **settings: str) -> dict[str, list[dict[str, Any]]]:
    """Compiles the pipelines; returns the YAML documents of each by its name."""
    subprocess.run(
        [sys.executable, "-m", "pipelines.kubeflow", folder],
        cwd=REPOSITORY,
        env={
            **{name: value for name, value in os.environ.items() if "IMAGE_SEARCH" not in name},
            "PYTHONPATH": "plugins:.",
            "IMAGE_SEARCH_LAKE": "s3://bucket/lake",
            "IMAGE_SEARCH_AIRFLOW__IMAGE": IMAGE,
            **settings,
        },
        check=True,
        capture_output=True,
    )
    files = sorted(folder.glob("*.yaml"))
    return {file.stem: list(yaml.safe_load_all(file.read_text("utf-8"))) for file in files}


@pytest.fixture(scope="module", name="pipelines")
def _pipelines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    return compiled(tmp_path_factory.mktemp("pipelines"))


def containers(pipeline: dict[str, Any]) -> dict[str, dict[str, Any]]:
    executors = pipeline["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): it["container"] for name, it in executors.items()}


def test_each_task_has_the_image_that_it_has_elsewhere(
    pipelines: dict[str, list[dict[str, Any]]],
) -> None:
    images = {
        name: container["image"].rpartition("/")[2]
        for documents in pipelines.values()
        for name, container in containers(documents[0]).items()
    }
    data = dict.fromkeys(
        ("plan", "etl", "feature-engineering", "publish", "evaluate", "prune"), "data:1.2"
    )
    rest = {name: f"{name}:1.2" for name in ("vectorize", "search")}
    assert images == {**data, **rest, "build-model": "model:1.2"}


def test_tasks_are_called_by_the_contract(pipelines: dict[str, list[dict[str, Any]]]) -> None:
    container = containers(pipelines["image_reindex"][0])["etl"]
    assert container["command"] == ["python", "-m", "tasks"]
    assert container["args"] == [
        *("etl", "--lake", "{{$.inputs.parameters['lake']}}"),
        *("--run", "{{$.pipeline_job_uuid}}"),
        *("--shard", "{{$.inputs.parameters['shard']}}"),
    ]


def test_tasks_get_their_resources_and_settings(
    pipelines: dict[str, list[dict[str, Any]]],
) -> None:
    container = containers(pipelines["image_reindex"][0])["vectorize"]
    assert container["resources"]["resourceMemoryLimit"] == "2Gi"
    assert container["resources"]["resourceCpuLimit"] == "2"
    variables = {it["name"]: it.get("value", "") for it in container["env"]}
    assert json.loads(variables["IMAGE_SEARCH_PIPELINE"])["backbone"] == "ResNet50"
    assert variables["IMAGE_SEARCH_THREADS"] == "2"


def test_no_task_is_answered_from_a_cache(pipelines: dict[str, list[dict[str, Any]]]) -> None:
    (pipeline,) = pipelines["image_reindex"]
    dags = [pipeline["root"], *(it for it in pipeline["components"].values() if "dag" in it)]
    tasks = {name: it for dag in dags for name, it in dag["dag"]["tasks"].items()}
    works = {
        *(
            "plan",
            "etl",
            "feature-engineering",
            "build-model",
            "vectorize",
            "publish",
            "evaluate",
            "prune",
        ),
        *("work-on-changes", "embed-shards"),
    }
    assert works <= tasks.keys()
    assert not any(tasks[name]["cachingOptions"].get("enableCache") for name in works)


def test_a_vector_database_that_is_set_is_loaded_before_old_releases_go(tmp_path: Path) -> None:
    settings = {
        "IMAGE_SEARCH_VECTOR_DATABASE__URI": "http://milvus:19530",
        "IMAGE_SEARCH_AIRFLOW__TASKS__LOAD__SECRETS": '["milvus"]',
    }
    pipeline, platform = compiled(tmp_path, **settings)["image_reindex"]
    tasks = pipeline["components"]["comp-condition-1"]["dag"]["tasks"]
    assert tasks["load"]["dependentTasks"] == ["evaluate"]
    assert tasks["prune"]["dependentTasks"] == ["load"]
    container = containers(pipeline)["load"]
    assert container["image"] == "registry.lab/image-search/search:1.2"
    assert container["args"][:2] == ["load", "--lake"]
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    (secret,) = executors["exec-load"]["secretAsEnv"]
    assert {it["envVar"] for it in secret["keyToEnv"]} > {"MILVUS_TOKEN"}
    assert secret["optional"]


def test_what_kubernetes_gives_a_task_is_beside_the_pipeline(tmp_path: Path) -> None:
    prefix = "IMAGE_SEARCH_AIRFLOW__TASKS__VECTORIZE__"
    tolerations = [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    settings = {
        f"{prefix}SECRETS": '["s3-keys"]',
        f"{prefix}GPUS": "1",
        f"{prefix}NODE_SELECTOR": '{"pool": "gpu"}',
        f"{prefix}TOLERATIONS": json.dumps(tolerations),
    }
    pipeline, platform = compiled(tmp_path, **settings)["image_reindex"]
    resources = containers(pipeline)["vectorize"]["resources"]
    assert resources["accelerator"]["resourceType"] == "nvidia.com/gpu"
    executors = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    (configuration,) = executors.values()
    assert configuration["nodeSelector"]["labels"] == {"pool": "gpu"}
    (secret,) = configuration["secretAsEnv"]
    assert secret["secretName"] == "s3-keys"
    assert len(secret["keyToEnv"]) == 2
    assert configuration["tolerations"] == tolerations
