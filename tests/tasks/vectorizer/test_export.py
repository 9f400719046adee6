import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np

from tasks.vectorizer.export import save_keras
from tasks.vectorizer.quiet_keras import keras

WRITE = """
import sys
from pathlib import Path
from tasks.vectorizer.export import export_onnx, save_keras
from tasks.vectorizer.quiet_keras import keras

keras.utils.set_random_seed(1)
images = keras.Input((8, 8, 3))
hidden = keras.layers.BatchNormalization()(keras.layers.Conv2D(64, 3)(images))
model = keras.Model(images, keras.layers.GlobalAveragePooling2D()(hidden), name="small")
save_keras(model, Path(sys.argv[1], "m.keras"))
export_onnx(model, Path(sys.argv[1], "m.onnx"))
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run([sys.executable, "-c", WRITE, str(folder)], check=True, capture_output=True)
        digests.append(
            [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())]
        )
    assert len(digests[0]) == 3  # its weights are beside m.onnx
    assert digests[0] == digests[1]


def test_a_saved_model_computes_what_the_model_does(tmp_path: Path) -> None:
    images = keras.Input((4,))
    model = keras.Model(images, keras.layers.Dense(2)(images))
    save_keras(model, tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", compile=False, safe_mode=True)
    batch = np.ones((3, 4), np.float32)
    np.testing.assert_array_equal(loaded.predict_on_batch(batch), model.predict_on_batch(batch))
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]
