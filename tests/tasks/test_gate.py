"""Releases ruined as a change of code or settings could, on hard views of photographs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from demo.labelled import photographs
from tasks import etl as etl_module
from tasks import feature_engineering as features_module
from tasks.errors import UserError
from tasks.evaluate import gate
from tasks.imaging.network_input import load_resized_rgb, preprocess_input
from tasks.lake.open_store import open_store
from tasks.lake.releases import Releases
from tasks.lake.store import Store
from tasks.publish import publish
from tests.conftest import link_model
from tests.tasks.pipeline import reindex, reindex_up_to_publish, settings_for_tests

VIEWS = 6
BY_LABELS = settings_for_tests(gate={"labels": "folders"})
BY_NEIGHBOURS = settings_for_tests()


@pytest.fixture(scope="module")
def photographs_once(model_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A lake with some views of each photograph and release 1, and ruined releases held back."""
    folder = tmp_path_factory.mktemp("photographs")
    link_model(model_once, folder)
    lake = open_store(folder.as_uri())
    for name, data in photographs():
        if int(Path(name).stem) < VIEWS:
            lake.write(f"master/{name}", data)
    reindex(lake, "good")
    return lake


def bgr_for_rgb(*arguments: Any) -> Any:
    return load_resized_rgb(*arguments)[..., ::-1]


def rgb_as_it_is(rgb: np.ndarray, mode: str) -> np.ndarray:
    assert mode
    return rgb.astype(np.float32)


def scaled_to_one(rgb: np.ndarray, mode: str) -> np.ndarray:
    return preprocess_input(rgb, mode) / 255


MISTAKES: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "channels in the wrong order": (etl_module, "load_resized_rgb", bgr_for_rgb),
    "no preprocessing": (features_module, "preprocess_input", rgb_as_it_is),
    "preprocessing for another network": (features_module, "preprocess_input", scaled_to_one),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_release_ruined_by_a_mistake_does_not_reach_search(
    photographs_once: Store, monkeypatch: pytest.MonkeyPatch, mistake: str
) -> None:
    lake, (module, function, wrong) = photographs_once, MISTAKES[mistake]
    run = mistake.replace(" ", "_")
    with monkeypatch.context() as patch:
        patch.setattr(module, function, wrong)
        reindex_up_to_publish(lake, run, full_rebuild=True)
    version = int(publish(lake, run, held=True)["version"])
    for settings in (BY_LABELS, BY_NEIGHBOURS):
        with pytest.raises(
            UserError, match=f"release {version} is held back: .*an image that did not change"
        ):
            gate(lake, settings, version)
    current = Releases(lake).current()
    assert current
    assert current.version == 1


def test_a_rebuild_without_a_mistake_does(photographs_once: Store) -> None:
    lake = photographs_once
    reindex_up_to_publish(lake, "again", full_rebuild=True)
    version = int(publish(lake, "again", held=True)["version"])
    gate(lake, BY_LABELS, version)
    current = Releases(lake).current()
    assert current
    assert current.version == version
