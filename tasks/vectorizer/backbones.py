"""The networks that can vectorize images: what each takes in, and which layer is the vector."""

from dataclasses import dataclass
from typing import Final, Literal

from tasks.errors import UserError


@dataclass(frozen=True)
class Backbone:
    """A `keras.applications` network, cut at one of its layers.

    Attributes:
        name: Name of the network's function in `keras.applications`.
        preprocessing: Mode of `keras.applications.imagenet_utils.preprocess_input` that the
            network was trained with; "raw" if its first layers do that.
        dimensions: Length of the vector.
        feature_layer: Name of the layer that puts out the vector.
        height: Height of an input image in pixels.
        width: Width of an input image in pixels.
    """

    name: str
    preprocessing: Literal["caffe", "tf", "torch", "raw"]
    dimensions: int
    feature_layer: str = "avg_pool"
    height: int = 224
    width: int = 224

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape (height, width, channels) of one input image."""
        return self.height, self.width, 3


# EfficientNetB0 and its like are missing: Keras builds them otherwise for its own download than for
# the same weights from elsewhere.
BACKBONES: Final = {
    backbone.name: backbone
    for backbone in (
        Backbone("ResNet50", "caffe", 2048),
        Backbone("ResNet101", "caffe", 2048),
        Backbone("ResNet50V2", "tf", 2048),
        Backbone("DenseNet121", "torch", 1024),
        Backbone("EfficientNetV2B0", "raw", 1280),
        Backbone("ConvNeXtTiny", "raw", 768, "convnext_tiny_head_layernorm"),
        Backbone("MobileNetV3Large", "raw", 960, "global_average_pooling2d"),
    )
}


def get_backbone(name: str) -> Backbone:
    """Returns the backbone of a `keras.applications` name.

    Raises:
        UserError: There is none of that name here.
    """
    try:
        return BACKBONES[name]
    except KeyError:
        known = ", ".join(BACKBONES)
        raise UserError(f"unknown backbone {name!r}; choose one of {known}") from None
