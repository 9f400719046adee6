"""A network of one's own in place of a backbone: a file, and what has to be known of it."""

from typing import Annotated, Literal

import pydantic

from tasks.imaging.scaling import Scaling

Side = Annotated[int, pydantic.Field(ge=1, le=4096)]


class Network(Scaling):
    """What is declared of a `.keras` or `.onnx` file; pinned in the plan of a run and its release.

    Attributes:
        file: Path or fsspec URI; empty for none.
        sha256: What its SHA-256 must be, in hex; empty to take any.
        name: What the model is to be called.
        height: Rows of its input.
        width: Columns of its input.
        layout: Order of its input's axes: rows, columns, channels, or channels first.
        output: Layer (Keras) or tensor (ONNX) that holds the vector; empty for the output it has.
        pooling: How the vector is had from that: "none", it is (n, d); "mean" over all places of
            feature maps or over all tokens; "first" of the tokens (n, tokens, d).
    """

    file: str = pydantic.Field("", pattern=r"^$|\.(keras|onnx)$")
    sha256: str = pydantic.Field("", pattern=r"^$|^[0-9a-f]{64}$")
    name: str = pydantic.Field("network", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    height: Side = 224
    width: Side = 224
    layout: Literal["NHWC", "NCHW"] = "NHWC"
    output: str = ""
    pooling: Literal["none", "mean", "first"] = "none"

    @property
    def preprocessing(self) -> Scaling:
        """What is done to the samples of a picture."""
        return Scaling.model_validate(self.model_dump(include=set(Scaling.model_fields)))
