"""The arithmetic that prepares the samples of a picture for a network."""

from typing import Literal

import pydantic

Triple = tuple[float, float, float]


class Scaling(pydantic.BaseModel):
    """The arithmetic of a network that is none of Keras': (sample * scale - mean) / std.

    Attributes:
        order: Order of the channels, of `mean` and `std` too.
        scale: What each sample, 0 to 255, is multiplied with.
        mean: Of each channel, after `scale`.
        std: Of each channel, after `scale`.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    order: Literal["RGB", "BGR"] = "RGB"
    scale: float = 1.0
    mean: Triple = (0.0, 0.0, 0.0)
    std: tuple[pydantic.PositiveFloat, pydantic.PositiveFloat, pydantic.PositiveFloat] = (1, 1, 1)
