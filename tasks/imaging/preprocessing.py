"""The one way from an image to the input of the network, for the catalogue and for the query."""

from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
import pydantic

from tasks.imaging.decode import DecodeLimits, decode_image
from tasks.imaging.resize import CROPS, Interpolation, Resize, fit
from tasks.imaging.scaling import Scaling

Mode = Literal["caffe", "tf", "torch", "raw"]


class Preprocessing(pydantic.BaseModel):
    """What is done to an image before the network sees it; pinned in the plan and in the release.

    Attributes:
        height: Rows of the network's input.
        width: Columns of the network's input.
        resize: How an image gets to that size, see `fit`. "stretch" does not keep the aspect ratio.
        interpolation: How pixels are made from others on the way, see `resize`.
        mode: Arithmetic of `keras.applications.imagenet_utils.preprocess_input`, by name; "raw" for
            none, where the network does its own; or that of another network.
        revision: Raised when the arithmetic of this package changes; a release made with another
            one is refused, not searched with skewed vectors.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    height: pydantic.PositiveInt = 224
    width: pydantic.PositiveInt = 224
    resize: Resize = "stretch"
    interpolation: Interpolation = "area"
    mode: Mode | Scaling = "caffe"
    revision: Literal[1] = 1

    @property
    def views(self) -> int:
        """How many parts of an image the network sees; its vector is their mean."""
        return CROPS if self.resize == "multi_crop" else 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image as `resized_rgb.npy` holds it, its views one below the other."""
        return self.views * self.height, self.width, 3


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
