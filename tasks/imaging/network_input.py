"""The one way from an image to the input of the network, for the catalogue and for the query."""

import cv2
import numpy as np
import numpy.typing as npt

from tasks.imaging.decode import DecodeLimits, decode_image
from tasks.imaging.preprocessing import Mode, Preprocessing
from tasks.imaging.resize import fit
from tasks.imaging.scaling import Scaling


def load_resized_rgb(
    data: bytes, preprocessing: Preprocessing, limits: DecodeLimits
) -> npt.NDArray[np.uint8]:
    """Decodes an image file straight to the size of the network's input.

    Args:
        data: The whole image file.
        preprocessing: The size to reach.
        limits: What to refuse.

    Returns:
        (views * height, width, 3) uint8, RGB.

    Raises:
        RejectedImage: The file cannot be used; the text says why.
    """
    # A JPEG decoded at reduced scale has been averaged by area already.
    reducible = preprocessing.interpolation == "area"
    target = (preprocessing.height, preprocessing.width) if reducible else None
    return resized_rgb(decode_image(data, limits, target), preprocessing)


def resized_rgb(
    image_bgr: npt.NDArray[np.uint8], preprocessing: Preprocessing
) -> npt.NDArray[np.uint8]:
    """Resizes a decoded image and turns BGR, OpenCV's order, into RGB, the order of the artifacts.

    Args:
        image_bgr: (h, w, 3) uint8, BGR.
        preprocessing: The size to reach.

    Returns:
        (views * height, width, 3) uint8, RGB.
    """
    resized = fit(
        image_bgr,
        preprocessing.height,
        preprocessing.width,
        preprocessing.resize,
        preprocessing.interpolation,
    )
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)


def preprocess_input(
    rgb: npt.NDArray[np.uint8], mode: Mode | Scaling, out: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Preprocesses images as the network wants them.

    What Keras' `preprocess_input` does is done bit for bit, without Keras.

    A sample has 256 values, so the arithmetic is done once for each of them and then looked up.

    Args:
        rgb: (n, h, w, 3) uint8, RGB.
        mode: Arithmetic of the network; "caffe" (ResNet50) returns BGR.
        out: Where to write, (n, h, w, 3) float32, such as a memory map; allocated by default.

    Returns:
        (n, h, w, 3) float32: `out`.

    Raises:
        ValueError: `out` has another shape than `rgb`.
    """
    table = _table(mode)
    order = "BGR" if mode == "caffe" else "RGB" if isinstance(mode, str) else mode.order
    if out is None:
        out = np.empty(rgb.shape, np.float32)
    for image, row in zip(rgb, out, strict=True):
        ordered = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if order == "BGR" else image
        row[...] = cv2.LUT(ordered, table)
    return out


def _table(mode: Mode | Scaling) -> npt.NDArray[np.float32]:
    """Returns (1, 256, 3) float32: what each sample value becomes in each channel of the output.

    Constants and order of operations are those of `_preprocess_numpy_input` in
    keras/src/applications/imagenet_utils.py.
    """
    table = np.tile(np.arange(256, dtype=np.float32)[:, np.newaxis], (1, 1, 3))
    match mode:
        case "caffe":
            table -= np.array([103.939, 116.779, 123.68], np.float32)
        case "tf":
            table /= 127.5
            table -= 1.0
        case "torch":
            table /= 255.0
            table -= np.array([0.485, 0.456, 0.406], np.float32)
            table /= np.array([0.229, 0.224, 0.225], np.float32)
        case Scaling():
            table *= np.float32(mode.scale)
            table -= np.array(mode.mean, np.float32)
            table /= np.array(mode.std, np.float32)
    return table
