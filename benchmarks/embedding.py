"""embedding: images per second of our vectorizer beside Keras, ONNX Runtime and OpenVINO."""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import openvino

from benchmarks.figures import Chart, Figure, Measured, Point, Spread, in_turns
from demo.catalogue import PHOTOS
from demo.labelled import photographs
from tasks.errors import UserError
from tasks.imaging.decode import DecodeLimits
from tasks.imaging.preprocessing import Preprocessing, load_resized_rgb, preprocess_input
from tasks.lake.layout import ONNX_INT8_MODEL, ONNX_VECTORIZER_MODEL, TF_VECTORIZER_MODEL
from tasks.settings import load_settings
from tasks.vectorizer.backbones import Backbone, get_backbone
from tasks.vectorizer.onnx_vectorizer import OnnxVectorizer
from tasks.vectorizer.openvino_vectorizer import OpenvinoVectorizer
from tasks.vectorizer.parity import probe_images

Floats = npt.NDArray[np.float32]
Way = Callable[[], object]

_IMAGES, _IMAGES_QUICK = 64, 32
_BATCH = 32
_QUEUED = 8  # images a request of OpenVINO
# Multiplications and additions of ResNet50 for one image, and the side of a product of as many.
_FLOP = 7.7e9
_SIDE = 2048
_KERAS, _ONNX, _OPENVINO = "Keras, predict_on_batch", "ONNX Runtime, as it comes", "OpenVINO"
_OURS, _INT8, _BFLOAT16 = "ours", "ours in int8", "ours in bfloat16"
_BOUND = "a matrix product"
# Least ratio to a rival in float32.
_GOALS = (
    ("int8", _INT8, _ONNX, 3.6),
    ("int8", _INT8, _KERAS, 4.5),
    ("bfloat16", _BFLOAT16, _ONNX, 2.2),
)
_CALIBRATE = 100


def figures(folder: Path, *, quick: bool) -> Iterator[Measured]:
    """Yields images per second, against each rival."""
    backbone = get_backbone("ResNet50")
    _build(folder, backbone)
    images = probe_images(Preprocessing(), _IMAGES_QUICK if quick else _IMAGES)
    speeds = _speeds(_ways(folder, images), len(images))
    ours, bound = speeds[_OURS], speeds[_BOUND].median
    rivals = (_KERAS, _ONNX, _OPENVINO)
    fastest = max(rivals, key=lambda name: speeds[name].median)
    least = {_KERAS: 1.4} | {fastest: 0.95}
    for name in rivals:
        rival = speeds[name].median
        ratio = ours.median / rival
        yield Figure(
            "embed, float32",
            "images/s",
            ours.median,
            goal=f">= {least[name]} x" if name in least else "",
            met=ratio >= least[name] if name in least else None,
            rival=rival,
            rival_name=name + (", the fastest" if name == fastest else ""),
            bound=bound,
            bound_name="a float32 matrix product of as many operations",
            ratio=ratio,
            low=ours.low,
            high=ours.high,
        )

    yield from _in_low_precision(speeds)
    yield from _by_cores(folder, images)


def _in_low_precision(speeds: Mapping[str, Spread]) -> Iterator[Figure]:
    """Yields images per second in each low precision that the processor has."""
    for precision, way, name, goal in _GOALS:
        if way not in speeds:
            continue
        ours, rival = speeds[way], speeds[name].median
        yield Figure(
            f"embed, {precision}",
            "images/s",
            ours.median,
            goal=f">= {goal} x",
            met=ours.median / rival >= goal,
            rival=rival,
            rival_name=f"{name}, float32",
            ratio=ours.median / rival,
            low=ours.low,
            high=ours.high,
        )


def _by_cores(folder: Path, images: Floats) -> Iterator[Point]:
    """Yields images per second with one thread, two, four, ... up to one a core."""
    cores = os.cpu_count() or 1
    forms = {"ours, float32": ONNX_VECTORIZER_MODEL, "ours, int8": ONNX_INT8_MODEL}
    for threads in sorted({cores, *(2**power for power in range(cores.bit_length()))}):
        ways: dict[str, Way] = {
            name: partial(OnnxVectorizer(folder / form, threads).transform, images)
            for name, form in forms.items()
        }
        for name, speed in _speeds(ways, len(images)).items():
            yield Point(Chart.CORES, name, threads, speed.median)


def _build(folder: Path, backbone: Backbone) -> None:
    """Puts both forms of the trained network into a folder, unless they are there."""
    from tasks.vectorizer.export import export_onnx
    from tasks.vectorizer.int8 import quantize
    from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
    from tasks.vectorizer.weights import load_weights

    if (folder / ONNX_INT8_MODEL).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    network = build_network(backbone)
    load_weights(network, backbone, cache=load_settings().cache.expanduser() / "weights")
    extractor = feature_extractor(network, backbone)
    extractor.save(folder / TF_VECTORIZER_MODEL)
    export_onnx(extractor, folder / ONNX_VECTORIZER_MODEL)
    quantize(folder / ONNX_VECTORIZER_MODEL, folder / ONNX_INT8_MODEL, _photographs())


def _photographs() -> Floats:
    """Returns views of photographs to calibrate on, (n, height, width, 3)."""
    preprocessing = Preprocessing()
    views = itertools.islice(photographs(_CALIBRATE // len(PHOTOS) + 1), _CALIBRATE)
    rgb = [load_resized_rgb(data, preprocessing, DecodeLimits()) for _, data in views]
    return preprocess_input(np.stack(rgb), preprocessing.mode)


def _ways(folder: Path, images: Floats) -> dict[str, Way]:
    ours = OnnxVectorizer(folder / ONNX_VECTORIZER_MODEL)
    int8 = OnnxVectorizer(folder / ONNX_INT8_MODEL)
    square = np.random.default_rng(0).standard_normal((_SIDE, _SIDE), dtype=np.float32)
    products = round(len(images) * _FLOP / (2 * _SIDE**3))

    def multiply() -> None:
        for _ in range(products):
            np.matmul(square, square)

    return {
        **_bfloat16(folder / ONNX_VECTORIZER_MODEL, images),
        _OURS: lambda: ours.transform(images),
        _INT8: lambda: int8.transform(images),
        _KERAS: _keras(folder / TF_VECTORIZER_MODEL, images),
        _ONNX: _onnx(folder / ONNX_VECTORIZER_MODEL, images),
        _OPENVINO: _openvino(folder / ONNX_VECTORIZER_MODEL, images),
        _BOUND: multiply,
    }


def _bfloat16(path: Path, images: Floats) -> dict[str, Way]:
    """Returns ours in bfloat16, or nothing where the processor does not compute in it."""
    try:
        vectorizer = OpenvinoVectorizer(path, bfloat16=True)
    except UserError:
        return {}
    return {_BFLOAT16: lambda: vectorizer.transform(images)}


def _batches(images: Floats, size: int) -> list[Floats]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def _keras(path: Path, images: Floats) -> Way:
    from tasks.vectorizer.quiet_keras import keras

    model = keras.saving.load_model(path, compile=False)
    return lambda: [model.predict_on_batch(batch) for batch in _batches(images, _BATCH)]


def _onnx(path: Path, images: Floats) -> Way:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda: [session.run(None, {name: batch}) for batch in _batches(images, _BATCH)]


def _openvino(path: Path, images: Floats) -> Way:
    """Runs OpenVINO as its documentation says for throughput: a queue of requests.

    Of one size, and each request alone at first: else it hangs at times.
    """
    options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": "f32"}
    core = openvino.Core()
    network = core.read_model(path)
    network.reshape([_QUEUED, *images.shape[1:]])
    queue = openvino.AsyncInferQueue(core.compile_model(network, "CPU", options))
    for request in queue:
        request.infer({0: images[:_QUEUED]})

    def run() -> None:
        for batch in _batches(images, _QUEUED):
            queue.start_async({0: batch}, share_inputs=True)
        queue.wait_all()

    return run


def _speeds(ways: Mapping[str, Way], images: int) -> dict[str, Spread]:
    """Returns the images per second of each way."""
    taken = in_turns(ways)
    return {
        name: Spread(images / seconds.median, images / seconds.high, images / seconds.low)
        for name, seconds in taken.items()
    }
