"""A Keras model as files: as Keras keeps it, and for ONNX Runtime.

The same versions of the libraries write the same bytes, as long as a process writes one model.
"""

import gc
import json
import logging
import os
import shutil
import warnings
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import onnx

from tasks.vectorizer.exportable import exportable
from tasks.vectorizer.lighter_network import lighten
from tasks.vectorizer.onnx_file import save_onnx
from tasks.vectorizer.quiet_keras import keras

# What Keras would put in that says nothing of the network.
_ANY_DATE = (1980, 1, 1, 0, 0, 0)
_ANY_DATE_SAVED = "1980-01-01@00:00:00"
# With this, whatever its value, tf2onnx makes no copy of a network before each of its passes, to go
# back to if one fails: for ResNet50 half the time, and 3 GB less.
_WITHOUT_COPIES = "TF2ONNX_CATCH_ERRORS"


def save_keras(model: keras.Model, path: Path) -> None:
    """Writes a model as `Model.save()` does, without the time and without addresses of memory."""
    saved = path.with_name(f"as_saved_{path.name}")
    model.save(saved)
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(path, "w") as target:
        for item in sorted(source.infolist(), key=lambda item: item.filename):
            entry = zipfile.ZipInfo(item.filename, _ANY_DATE)
            entry.compress_type = item.compress_type
            with source.open(item) as stream, target.open(entry, "w", force_zip64=True) as sink:
                if item.filename.endswith(".json"):
                    document = _without_accidents(json.load(stream), {})
                    sink.write(json.dumps(document).encode())
                else:
                    shutil.copyfileobj(stream, sink)
    saved.unlink()


def _without_accidents(document: Any, numbers: dict[int, int]) -> Any:
    """Returns a document of Keras with ids that are counted, not addresses, and a fixed date."""
    if isinstance(document, list):
        return [_without_accidents(item, numbers) for item in document]
    if not isinstance(document, dict):
        return document
    cleaned = {key: _without_accidents(value, numbers) for key, value in document.items()}
    if "shared_object_id" in cleaned:
        found = cleaned["shared_object_id"]
        cleaned["shared_object_id"] = numbers.setdefault(found, len(numbers))
    if "date_saved" in cleaned:
        cleaned["date_saved"] = _ANY_DATE_SAVED
    return cleaned


def export_onnx(model: keras.Model, path: Path) -> None:
    """Writes a model of one image input as ONNX, see `save_onnx`; the batch size stays free.

    It computes the same vectors with less: see `lighten`.
    """
    network = as_onnx(model, path)
    lighten(network)
    save_onnx(network, path)
    del network
    gc.collect()  # copies of the graph that refer to each other: 2 GB for ResNet50


def as_onnx(model: keras.Model, scratch: Path) -> onnx.ModelProto:
    """Returns a model of one image input layer by layer as ONNX.

    Args:
        model: The model.
        scratch: A path that is used meanwhile.
    """
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)
    images = keras.InputSpec(shape=model.input_shape, dtype="float32", name="images")
    # Keras' glue to tf2onnx asks NumPy for a name that will change its meaning.
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        _convert(exportable(model), scratch, images)
    network = onnx.load(scratch)
    scratch.unlink()
    return network


def _convert(model: keras.Model, path: Path, images: keras.InputSpec) -> None:
    export = partial(model.export, path, format="onnx", verbose=False, input_signature=[images])
    os.environ[_WITHOUT_COPIES] = "1"
    try:
        export()
        return
    except Exception:  # pylint: disable=broad-exception-caught  # a pass may fail in any way
        logging.getLogger(__name__).info("exporting again, without the passes that fail")
    finally:
        del os.environ[_WITHOUT_COPIES]
    export()
