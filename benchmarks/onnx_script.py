"""The rival "a script": what one writes in an hour around ONNX Runtime.

`python -m benchmarks.onnx_script FOLDER QUERY N`. FOLDER holds image_names.npy,
embedded_image_vectors.npy and model.onnx, one file.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime


def main(folder: Path, query: str, n: int) -> None:
    """Answers one query."""
    vectors = np.load(folder / "embedded_image_vectors.npy")
    names = np.load(folder / "image_names.npy")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    image = np.asarray(cv2.imread(query))
    image = cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA)
    batch = image[np.newaxis].astype(np.float32) - np.array([103.939, 116.779, 123.68], np.float32)
    (vector,) = session.run(None, {session.get_inputs()[0].name: batch})
    scores = vectors @ vector[0] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vector)
    for row in np.argsort(-scores)[:n]:
        print(scores[row], names[row])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
