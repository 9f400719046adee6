"""Made vectors that look like those of a network: what large catalogues are made of here.

Fitted to the ResNet50 vectors of the sample catalogue: no component is negative, a third are zero,
the tail is heavy (kurtosis 70 to 80), components are correlated (as if spread evenly over 15
dimensions), and images come in groups that look alike (a cosine of .9 in a group, .2 to .3 between
two). `tests/benchmarks/test_made_vectors.py` holds them to that.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

DIMENSIONS = 2048
GROUP = 14
_LATENT = 48
_DECAY = -0.3
_WITHIN = 0.3
_NOISE = 0.15
_THRESHOLD = 0.45
_SCALE = 0.33
_SPREAD_OF_SCALES = 0.7
_BATCH = 2000

Vectors = npt.NDArray[np.float32]


def made_vectors(
    count: int, dimensions: int = DIMENSIONS, *, queries: bool = False
) -> Iterator[Vectors]:
    """Yields vectors (k, dimensions), `count` in all; equal calls yield equal ones.

    Args:
        count: how many.
        dimensions: of each.
        queries: other images of the same groups, which a catalogue of `count` does not hold.
    """
    shape = np.random.default_rng(0)
    decay = np.arange(1, _LATENT + 1, dtype=np.float32) ** _DECAY
    basis = shape.standard_normal((_LATENT, dimensions), np.float32)
    basis *= (decay / np.linalg.norm(decay))[:, np.newaxis]
    scales = _SCALE * np.exp(
        _SPREAD_OF_SCALES * shape.standard_normal(dimensions, np.float32)
    ).astype(np.float32)
    groups = shape.standard_normal((max(1, count // GROUP), _LATENT), np.float32)
    rng = np.random.default_rng(2 if queries else 1)
    for start in range(0, count, _BATCH):
        rows = np.arange(start, min(count, start + _BATCH))
        own = rng.standard_normal((len(rows), _LATENT), np.float32)
        latent = np.sqrt(1 - _WITHIN**2) * groups[rows % len(groups)] + _WITHIN * own
        before = np.sqrt(1 - _NOISE**2) * (latent.astype(np.float32) @ basis)
        before += _NOISE * rng.standard_normal((len(rows), dimensions), np.float32)
        yield np.asarray(np.maximum(before + _THRESHOLD, 0) ** 2 * scales, np.float32)
