import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import openvino
import pytest

from tasks.errors import UserError
from tasks.vectorizer.openvino_vectorizer import OpenvinoVectorizer, require_bfloat16
from tasks.vectorizer.parity import cosines
from tests.tasks.vectorizer.conftest import Forms

HAS_BFLOAT16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_a_processor_that_emulates_bfloat16_is_refused() -> None:
    require_bfloat16(["FP32", "BF16", "INT8"])
    with pytest.raises(UserError, match="only emulates bfloat16; run the task on one that has it"):
        require_bfloat16(["FP32", "INT8"])


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this processor has no bfloat16")
def test_bfloat16_is_near_float32_and_the_same_in_any_batch(
    forms: Forms, photos: np.ndarray
) -> None:
    path = forms.folder / "m.onnx"
    vectors = OpenvinoVectorizer(path, threads=2, bfloat16=True).transform(photos)
    assert (vectors.dtype, vectors.shape) == (np.float32, (len(photos), 2048))
    assert 0.998 <= cosines(vectors, forms.openvino.transform(photos)).min() < 0.999999
    alone = OpenvinoVectorizer(path, threads=1, bfloat16=True)
    one_by_one = np.concatenate([alone.transform(photo[np.newaxis]) for photo in photos])
    assert cosines(vectors, one_by_one).min() > 0.99999


def test_threads_that_share_a_vectorizer_get_their_own_vectors(
    forms: Forms, photos: np.ndarray
) -> None:
    expected = forms.openvino.transform(photos)
    found: dict[int, np.ndarray] = {}

    def embed(row: int) -> None:
        found[row] = forms.openvino.transform(photos[row : row + 1])

    threads = [threading.Thread(target=embed, args=(row,)) for row in range(len(photos))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together = np.concatenate([found[row] for row in range(len(photos))])
    np.testing.assert_allclose(together, expected, atol=1e-4)


def test_openvino_reports_to_nobody(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    program = (
        "import sys, tasks.vectorizer.openvino_vectorizer;"
        "sys.exit('openvino_telemetry.main' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    # Else the number that it gives this machine is there.
    assert not list(tmp_path.iterdir())
