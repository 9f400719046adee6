"""embedding: images per second of our vectorizer beside Keras, ONNX Runtime and OpenVINO."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import openvino

from benchmarks.figures import Chart, Figure, Measured, Point, Spread, in_turns
from benchmarks.matrix_product import OPERATIONS, matrix_product
from demo.catalogue import PHOTOS
from demo.labelled import photographs
from tasks.errors import UserError
from tasks.imaging.decode import DecodeLimits
from tasks.imaging.network_input import load_resized_rgb, preprocess_input
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake.layout import ONNX_INT8_MODEL, ONNX_VECTORIZER_MODEL, TF_VECTORIZER_MODEL
from tasks.settings import load_settings
from tasks.vectorizer.backbones import Backbone, get_backbone
from tasks.vectorizer.onnx_file import save_onnx
from tasks.vectorizer.onnx_vectorizer import OnnxVectorizer
from tasks.vectorizer.openvino_vectorizer import OpenvinoVectorizer
from tasks.vectorizer.parity import probe_images
from tasks.vectorizer.runtimes import Precision, Runtime
from tasks.vectorizer.vectorizer import Vectorizer

Floats = npt.NDArray[np.float32]
Way = Callable[[], object]

_IMAGES, _IMAGES_QUICK = 64, 16
_BATCH = 32
_QUEUED = 4  # images a request of OpenVINO, which are more a second than 8 or 2
_FLOP = 7.0e9  # multiplications and additions for one image of ours; of ResNet50 as it comes: 7.7e9
_AS_EXPORTED = "as_exported.onnx"  # for the rivals: nothing of the network is left out
_KERAS, _ONNX, _OPENVINO = "Keras, predict_on_batch", "ONNX Runtime, as it comes", "OpenVINO"
_RIVALS = (_KERAS, _ONNX, _OPENVINO)  # in float32
_CALIBRATE = 40
_SETTLE = 0.2
# Precision, runtime, rival and the least ratio to it; the fastest rival has a goal of its own.
_GOALS: tuple[tuple[Precision, Runtime, str, float | None], ...] = (
    ("float32", "onnx", _KERAS, 1.4),
    ("float32", "onnx", _ONNX, None),
    ("float32", "onnx", _OPENVINO, None),
    ("float32", "openvino", _KERAS, 1.4),
    ("float32", "openvino", _ONNX, None),
    ("float32", "openvino", _OPENVINO, None),
    ("int8", "onnx", _ONNX, 3.6),
    ("int8", "onnx", _KERAS, 4.5),
    ("bfloat16", "openvino", _ONNX, 2.2),
)
_OF_FASTEST = 0.95


def figures(folder: Path, *, quick: bool) -> Iterator[Measured]:
    """Yields images per second, against each rival."""
    backbone = get_backbone("ResNet50")
    _build(folder, backbone)
    images = probe_images(Preprocessing(), _IMAGES_QUICK if quick else _IMAGES)
    speeds = _speeds(_ways(folder, images), len(images))
    fastest = max(_RIVALS, key=lambda name: speeds[name].median)
    for precision, runtime, rival, least in _GOALS:
        if _ours(precision, runtime) not in speeds:
            continue
        ours = speeds[_ours(precision, runtime)]
        goal = _OF_FASTEST if precision == "float32" and rival == fastest else least
        ratio = ours.median / speeds[rival].median
        yield Figure(
            f"embed, {precision}" + (" by OpenVINO" if runtime == "openvino" else ""),
            "images/s",
            ours.median,
            goal=f">= {goal} x" if goal else "",
            met=ratio >= goal if goal else None,
            rival=speeds[rival].median,
            rival_name=f"{rival}, float32" + (", the fastest" if rival == fastest else ""),
            bound=speeds[_bound(precision)].median if _bound(precision) in speeds else None,
            bound_name=_bound(precision) + " of as many operations",
            ratio=ratio,
            low=ours.low,
            high=ours.high,
        )
    yield from _by_cores(folder, images)


def _ours(precision: Precision, runtime: Runtime) -> str:
    return f"ours in {precision}, {runtime}"


def _bound(precision: Precision) -> str:
    return f"a matrix product in {precision}"


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
    """Puts the forms of the trained network into a folder, unless they are there."""
    from tasks.vectorizer.export import as_onnx
    from tasks.vectorizer.int8 import quantize
    from tasks.vectorizer.keras_vectorizer import build_network, feature_extractor
    from tasks.vectorizer.lighter_network import lighten
    from tasks.vectorizer.weights import load_weights

    if (folder / ONNX_INT8_MODEL).exists() and (folder / _AS_EXPORTED).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)  # what an older version or half a build has left
    folder.mkdir(parents=True)
    network = build_network(backbone)
    load_weights(network, backbone, cache=load_settings().cache.expanduser() / "weights")
    extractor = feature_extractor(network, backbone)
    extractor.save(folder / TF_VECTORIZER_MODEL)
    exported = as_onnx(extractor, folder / _AS_EXPORTED)
    save_onnx(exported, folder / _AS_EXPORTED)
    ours = onnx.load(folder / _AS_EXPORTED)  # saving has taken the weights out of the other
    lighten(ours)
    save_onnx(ours, folder / ONNX_VECTORIZER_MODEL)
    quantize(folder / ONNX_VECTORIZER_MODEL, folder / ONNX_INT8_MODEL, _photographs())


def _photographs() -> Floats:
    """Returns views of photographs to calibrate on, (n, height, width, 3)."""
    preprocessing = Preprocessing()
    views = itertools.islice(photographs(_CALIBRATE // len(PHOTOS) + 1), _CALIBRATE)
    rgb = [load_resized_rgb(data, preprocessing, DecodeLimits()) for _, data in views]
    return preprocess_input(np.stack(rgb), preprocessing.mode)


def _ways(folder: Path, images: Floats) -> dict[str, Way]:
    path = folder / ONNX_VECTORIZER_MODEL
    ours: dict[str, Vectorizer] = {
        _ours("float32", "onnx"): OnnxVectorizer(path),
        _ours("float32", "openvino"): OpenvinoVectorizer(path),
        _ours("int8", "onnx"): OnnxVectorizer(folder / ONNX_INT8_MODEL),
        **_in_bfloat16(path),
    }
    return {
        **{name: partial(vectorizer.transform, images) for name, vectorizer in ours.items()},
        _KERAS: _keras(folder / TF_VECTORIZER_MODEL, images),
        _ONNX: _onnx(folder / _AS_EXPORTED, images),
        _OPENVINO: _openvino(folder / _AS_EXPORTED, images),
        _bound("float32"): _products(matrix_product("float32"), len(images)),
        _bound("int8"): _products(matrix_product("int8"), len(images)),
    }


def _products(multiply: Way, images: int) -> Way:
    """Returns what does as many operations as our network does for some images."""
    times = round(images * _FLOP / OPERATIONS)
    return lambda: [multiply() for _ in range(times)]


def _in_bfloat16(path: Path) -> dict[str, Vectorizer]:
    """Returns ours in bfloat16, or nothing where the processor does not compute in it."""
    try:
        return {_ours("bfloat16", "openvino"): OpenvinoVectorizer(path, bfloat16=True)}
    except UserError:
        return {}


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
    # Threads of ONNX Runtime and TensorFlow spin on after their work.
    taken = in_turns(ways, settle=_SETTLE)
    return {
        name: Spread(images / seconds.median, images / seconds.high, images / seconds.low)
        for name, seconds in taken.items()
    }
