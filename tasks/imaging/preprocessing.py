"""What is done to an image before the network sees it. Loads neither OpenCV nor NumPy."""

from typing import Literal

import pydantic

from tasks.imaging.scaling import Scaling

Resize = Literal["stretch", "letterbox", "center_crop", "multi_crop"]
Interpolation = Literal["area", "bilinear", "bicubic"]

# What `multi_crop` cuts out: both ends and the middle.
CROPS = 3

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
