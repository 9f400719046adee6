"""What it costs Airflow to read the DAG files, which it does again and again."""

import subprocess
import sys

import pytest

from tests.plugins.airflow_environment import DAGS

PROGRAM = """
import airflow.sdk, runpy, sys, time
from airflow.sdk import DAG, Asset, BaseOperator, Param, task, task_group
started = time.perf_counter()
runpy.run_path(sys.argv[1])
seconds = time.perf_counter() - started
heavy = {"boto3", "cv2", "faiss", "numpy", "onnxruntime", "tasks", "tensorflow"}
heavy &= sys.modules.keys()
print(seconds, sorted(heavy))
"""


@pytest.mark.parametrize("dag_id", ["image_reindex", "image_search"])
def test_a_dag_file_is_read_in_well_under_a_second_and_loads_nothing_heavy(dag_id: str) -> None:
    command = [sys.executable, "-c", PROGRAM, str(DAGS / f"{dag_id}.py")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, heavy = printed.splitlines()[-1].split(maxsplit=1)
    assert float(seconds) < 1
    assert heavy == "[]"
