"""The rival "seed way": the original single-machine engine, as far as a search of it goes.

`python -m benchmarks.seed_engine FOLDER QUERY N`. FOLDER holds image_names.npy,
embedded_image_vectors.npy and vectorizer_model.keras. Everything is loaded into memory, the
picture is stretched bilinearly, Keras' `predict` embeds it, NumPy compares it with all vectors. The
original also loaded the resized pictures, which only its display needs: they are left out in its
favour.
"""

import sys
from pathlib import Path

import cv2
import keras
import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]


def cosine_similarity(x: Vectors, y: Vectors) -> Vectors:
    """Returns the cosines of the rows of two matrices."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return np.asarray(np.matmul(x, y.T), np.float32)


def main(folder: Path, query: str, n: int) -> None:
    """Answers one query."""
    vectors = np.load(folder / "embedded_image_vectors.npy")
    names = np.load(folder / "image_names.npy")
    model = keras.saving.load_model(folder / "vectorizer_model.keras", compile=False)
    image = np.asarray(cv2.imread(query))
    resized = cv2.resize(image, (224, 224), interpolation=cv2.INTER_LINEAR)
    rgb = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB)[np.newaxis].astype(np.float32)
    vector = model.predict(keras.applications.resnet50.preprocess_input(rgb), verbose=0)
    scores = cosine_similarity(vector, vectors)[0]
    for row in np.argsort(scores)[::-1][:n]:
        print(scores[row], names[row])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
