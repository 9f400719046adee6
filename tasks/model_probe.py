"""Pictures with the vectors that the builder's machine had: does this one compute the same?

Integer arithmetic saturates on processors without VNNI, accelerators round in their own way. So
that no release mixes vectors of machines that disagree, such a machine refuses to work.
"""

import io

import numpy as np
import numpy.typing as npt

from tasks.errors import UserError
from tasks.imaging.preprocessing import Preprocessing
from tasks.lake import layout
from tasks.lake.store import Artifact, Store
from tasks.vectorizer.parity import cosines, probe_images
from tasks.vectorizer.vectorizer import Vectorizer

_IMAGES = 2


def store_probe(
    lake: Store, model: str, vectorizer: Vectorizer, preprocessing: Preprocessing
) -> dict[str, Artifact]:
    """Stores a few pictures and the vectors that a vectorizer of this machine gives them.

    Args:
        lake: the data lake.
        model: id of the model.
        vectorizer: of the model.
        preprocessing: of the model.

    Returns:
        The artifacts, by name.
    """
    images = probe_images(preprocessing, _IMAGES)
    arrays = {layout.PROBE_IMAGES: images, layout.PROBE_VECTORS: vectorizer.transform(images)}
    return {name: _write(lake, layout.model(model, name), array) for name, array in arrays.items()}


def require_same_arithmetic(
    lake: Store, artifacts: dict[str, Artifact], least: float, vectorizer: Vectorizer
) -> None:
    """Makes sure that a vectorizer gives the model's probe the vectors that its builder had.

    Args:
        lake: the data lake.
        artifacts: of the model's card.
        least: cosine, of the card.
        vectorizer: loaded from the model.

    Raises:
        UserError: it does not, or the model has no probe.
        DamagedError: the probe is damaged.
    """
    if layout.PROBE_IMAGES not in artifacts:
        raise UserError(
            "the model has no probe of its arithmetic, so nobody can tell whether this machine "
            "computes the same; build the model again"
        )
    images, expected = (
        _read(lake, artifacts[name]) for name in (layout.PROBE_IMAGES, layout.PROBE_VECTORS)
    )
    _require(vectorizer.transform(images), expected, least)


def require_same_vectors(
    vectorizer: Vectorizer, reference: Vectorizer, preprocessing: Preprocessing, least: float
) -> None:
    """Makes sure that a vectorizer computes the same as another of this machine.

    Args:
        vectorizer: one, such as of an accelerator.
        reference: the other.
        preprocessing: of their model.
        least: cosine.

    Raises:
        UserError: it does not.
    """
    images = probe_images(preprocessing, _IMAGES)
    _require(vectorizer.transform(images), reference.transform(images), least)


def _require(
    vectors: npt.NDArray[np.float32], expected: npt.NDArray[np.float32], least: float
) -> None:
    found = float(cosines(vectors, expected).min())
    if not found >= least:
        raise UserError(
            f"this machine computes other vectors than the one that built the model (cosine "
            f"{found:.4f}, needed is {least}); run the task on a processor like the builder's "
            "(int8 takes VNNI), or set precision to float32, runtime to auto and device to cpu"
        )


def _write(lake: Store, path: str, array: npt.NDArray[np.float32]) -> Artifact:
    data = io.BytesIO()
    np.save(data, array, allow_pickle=False)
    return lake.write(path, data.getvalue())


def _read(lake: Store, artifact: Artifact) -> npt.NDArray[np.float32]:
    with lake.open_verified(artifact) as stream:
        data = stream.read()
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False), np.float32)
