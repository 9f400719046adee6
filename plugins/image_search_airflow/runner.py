"""The one place that knows which runner is configured, so that no DAG has to."""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import BaseOperator

from image_search_airflow.settings import Settings


def run_task(name: str, arguments: Mapping[str, Any] | None = None, **options: Any) -> BaseOperator:
    """Creates the operator that runs a task, in the way that the settings name.

    Args:
        name: name of the task; also the Airflow task id.
        arguments: the task's own options (see `image_search_airflow.contract.task_arguments`), or
            what resolves to them when the task runs: a Param, an XCom, a template.
        **options: `map_label` for mapped tasks, and those of every Airflow operator.

    Returns:
        The operator; its XCom is the JSON object that the task prints.
    """
    settings = Settings()
    operator, of_runner = _operator(settings, name)
    return operator(
        task_id=name,
        task_name=name,
        lake=settings.lake,
        arguments=arguments,
        **of_runner,
        **options,
    )


def _operator(settings: Settings, name: str) -> tuple[type[BaseOperator], dict[str, Any]]:
    """Returns the operator for a task, and the arguments that it alone takes."""
    # Imported where they are needed: the libraries of the other two cost the DAG processor time.
    match settings.airflow.task(name).runner:
        case "docker":
            from image_search_airflow.operators.docker import DockerTaskOperator

            return DockerTaskOperator, {"connection": settings.airflow.connection}
        case "kubernetes":
            from image_search_airflow.operators.kubernetes import KubernetesTaskOperator

            return KubernetesTaskOperator, {}
        case "process":
            from image_search_airflow.operators.process import ProcessOperator

            return ProcessOperator, {
                "python": settings.airflow.python,
                "connection": settings.airflow.connection,
            }
