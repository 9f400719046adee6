"""What a task in a container is told and shown of the machine that Airflow runs on.

A container has no file of that machine: the settings reach it as variables, so that it computes
with the same ones as a child process would, and the folders of a `file://` lake at the same paths.
"""

import json
import math
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from image_search_airflow.runner_settings import TaskSettings
from image_search_airflow.settings import Settings, config_file

_PREFIX = "IMAGE_SEARCH_"
# Of Airflow's side, or a path on its machine.
_NOT_FOR_TASKS = (f"{_PREFIX}AIRFLOW", f"{_PREFIX}CACHE", f"{_PREFIX}CONFIG", f"{_PREFIX}LAKE")


def settings_variables(task: TaskSettings) -> dict[str, str]:
    """Returns the settings in force here as environment variables, for a task in a container."""
    file = tomllib.loads(config_file().read_text(encoding="utf-8"))
    variables = {
        f"{_PREFIX}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in file.items()
    }
    variables |= {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    variables = {
        name: value for name, value in variables.items() if not name.startswith(_NOT_FOR_TASKS)
    }
    if variables.get(f"{_PREFIX}THREADS", "0") == "0":
        # All cores of the machine are more than the container may use.
        variables[f"{_PREFIX}THREADS"] = str(math.ceil(task.cpus))
    return {**variables, **task.environment}


def local_folder(uri: str) -> Path | None:
    """Returns the folder that a URI names on this machine, or None if it is in an object store.

    Raises:
        ValueError: the path is relative; it would be another one in a container.
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("", "file", "local"):
        return None
    path = Path(unquote(parts.path) if parts.scheme else uri)
    if not path.is_absolute():
        raise ValueError(f"{uri} is a relative path; give an absolute one, file:///…")
    return path


def shown_folders(settings: Settings, lake: str, further: Sequence[Path]) -> Mapping[Path, bool]:
    """Returns the folders of this machine that tasks see at the same path, and if they may write.

    Args:
        settings: where catalogue and query images are.
        lake: root of the lake, a URI.
        further: folders that may be read besides.

    Returns:
        True for a folder that may be written to. Enclosing folders come before those in them: the
        originals stay read only inside a lake that is not.

    Raises:
        ValueError: a path is relative.
    """
    folders = dict.fromkeys(_read_only(settings, lake, further), False)
    root = local_folder(lake)
    if root:
        folders[root] = True
    return dict(sorted(folders.items(), key=lambda item: len(item[0].parts)))


def _read_only(settings: Settings, lake: str, further: Sequence[Path]) -> Iterator[Path]:
    root = local_folder(lake)
    if root and (not settings.catalogue or (root / "master").is_dir()):
        yield root / "master"
    for uri in (settings.catalogue, *settings.query_prefixes):
        folder = local_folder(uri) if uri else None
        if folder and folder != root:
            yield folder
    yield from further
