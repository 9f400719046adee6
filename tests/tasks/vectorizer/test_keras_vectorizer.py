from pathlib import Path

import pytest

from tasks.errors import UserError
from tasks.vectorizer.keras_vectorizer import KerasVectorizer
from tasks.vectorizer.quiet_keras import keras


def test_code_inside_a_model_is_refused_not_run(tmp_path: Path) -> None:
    layers = [keras.Input((4, 4, 3)), keras.layers.Lambda(lambda images: images[:, 0, 0])]
    keras.Sequential(layers).save(tmp_path / "m.keras")
    with pytest.raises(UserError, match=r"cannot be loaded.*Lambda"):
        KerasVectorizer(tmp_path / "m.keras")
