import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.vectorizer import weights
from tasks.vectorizer.backbones import get_backbone
from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
from tasks.vectorizer.weights import load_weights
from tasks.vectorizer.weights_sources import assign, named_arrays
from tests.tasks.vectorizer.conftest import PHOTO_NAMES, WEIGHTS

BACKBONE = get_backbone("ResNet50")
# Of the classes that ImageNet's 1,000 are numbered by.
CLASSES = {
    "chelsea.png": {281, 282, 285},  # tabby, tiger cat, Egyptian cat
    "coffee.png": {504, 967, 968},  # coffee mug, espresso, cup
    "motorcycle_left.png": {665, 670},  # moped, motor scooter
}


@pytest.fixture
def network() -> Any:
    """The network, untrained."""
    return build_network(BACKBONE)


@pytest.fixture
def nothing_reachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Both sources of "imagenet" fail, as on a machine without network."""

    def fail(*_: object) -> None:
        raise UserError("cannot be reached")

    for sources in weights.SOURCES.values():
        for name in sources:
            monkeypatch.setitem(sources, name, fail)
    yield


def test_with_these_weights_the_network_knows_what_is_on_a_photo(
    trained: tuple[Any, Any], photos: np.ndarray
) -> None:
    network, _ = trained
    best = np.argsort(-network.predict(photos, verbose=0), axis=1)[:, :3]
    for name, classes in CLASSES.items():
        assert classes & set(best[PHOTO_NAMES.index(name)].tolist()), name


def test_the_provenance_names_source_and_digest(trained: tuple[Any, Any]) -> None:
    _, provenance = trained
    assert provenance.source
    assert len(provenance.weights_sha256) == 64


@pytest.mark.usefixtures("nothing_reachable")
def test_weights_fetched_once_are_used_without_a_network(
    network: Any, trained: tuple[Any, Any]
) -> None:
    provenance = load_weights(network, BACKBONE, cache=WEIGHTS)
    assert provenance == trained[1]
    for name, array in named_arrays(trained[0]).items():
        np.testing.assert_array_equal(named_arrays(network)[name], array)


@pytest.mark.usefixtures("nothing_reachable")
def test_a_damaged_copy_is_restored_from_elsewhere(
    network: Any, trained: tuple[Any, Any], tmp_path: Path
) -> None:
    (tmp_path / "ResNet50-imagenet.npz").write_bytes(b"damaged")

    def restore(entry: Path) -> bool:
        shutil.copy(WEIGHTS / entry.name, entry)
        return True

    assert load_weights(network, BACKBONE, cache=tmp_path, restore=restore) == trained[1]


@pytest.mark.usefixtures("nothing_reachable")
def test_without_any_source_the_error_names_what_can_be_done(network: Any, tmp_path: Path) -> None:
    before = named_arrays(network)["conv1_conv/kernel"].copy()
    with pytest.raises(UserError) as error:
        load_weights(network, BACKBONE, cache=tmp_path)
    assert all(option in str(error.value) for option in ("keras.applications", "npm", "URI"))
    np.testing.assert_array_equal(named_arrays(network)["conv1_conv/kernel"], before)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("nothing_reachable")
def test_damaged_kept_weights_are_not_used(network: Any, tmp_path: Path) -> None:
    kept = tmp_path / "ResNet50-imagenet.npz"
    shutil.copy(WEIGHTS / kept.name, kept)
    with kept.open("r+b") as file:
        file.seek(kept.stat().st_size // 2)
        file.write(bytes(64))
    with pytest.raises(UserError, match="no weights for ResNet50"):
        load_weights(network, BACKBONE, cache=tmp_path)


def test_weights_of_ones_own_are_read_from_a_file(
    network: Any, trained: tuple[Any, Any], tmp_path: Path
) -> None:
    file = tmp_path / "own.weights.h5"
    feature_extractor(trained[0], BACKBONE).save_weights(file)
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    provenance = load_weights(network, BACKBONE, file.as_uri(), sha256, cache=tmp_path)
    assert provenance.file_sha256 == sha256
    assert provenance.weights_sha256 == trained[1].weights_sha256


def test_a_file_with_another_digest_is_refused(network: Any, tmp_path: Path) -> None:
    file = tmp_path / "own.weights.h5"
    file.write_bytes(b"anything")
    expected = "0" * 64
    with pytest.raises(UserError, match=f"have SHA-256 [0-9a-f]{{64}}, not {expected}"):
        load_weights(network, BACKBONE, str(file), expected, cache=tmp_path)


def test_a_file_of_another_network_is_refused(network: Any, tmp_path: Path) -> None:
    file = tmp_path / "own.weights.h5"
    build_network(get_backbone("DenseNet121")).save_weights(file)
    with pytest.raises(UserError, match="do not fit ResNet50"):
        load_weights(network, BACKBONE, str(file), cache=tmp_path)


@pytest.mark.parametrize("setting", ["imagenette", "/nowhere/own.weights.h5"])
def test_weights_that_are_nowhere_are_an_error(network: Any, tmp_path: Path, setting: str) -> None:
    with pytest.raises(UserError, match=r"imagenette|cannot be read"):
        load_weights(network, BACKBONE, setting, cache=tmp_path)


def test_the_npm_package_has_no_weights_for_another_backbone(tmp_path: Path) -> None:
    backbone = get_backbone("DenseNet121")
    with pytest.raises(UserError, match="has no weights for DenseNet121"):
        load_weights(build_network(backbone), backbone, "npm", cache=tmp_path)


def test_assigning_takes_all_weights_or_none(network: Any) -> None:
    arrays = dict(named_arrays(network))
    arrays["conv1_conv/kernel"] = np.ones_like(arrays["conv1_conv/kernel"])
    del arrays["predictions/bias"]
    with pytest.raises(UserError, match="predictions/bias"):
        assign(network, arrays)
    assert not (named_arrays(network)["conv1_conv/kernel"] == 1).all()
