"""Gives the tests an Airflow of their own."""

import atexit
import functools
import os
import shutil
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DAGS = REPOSITORY / "dags"
PLUGINS = REPOSITORY / "plugins"


@functools.cache
def prepare() -> None:
    """Sets up an empty home and the folders of the repository, as Airflow is to find them."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "IMAGE_SEARCH_"))]:
        del os.environ[name]
    home = tempfile.mkdtemp(prefix="airflow-home-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ |= {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PLUGINS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    sys.path.append(str(PLUGINS))
