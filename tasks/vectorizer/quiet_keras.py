"""Keras on TensorFlow, imported without TensorFlow's start-up chatter.

The one place that imports Keras: `from tasks.vectorizer.quiet_keras import keras`.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["keras"]


@contextmanager
def _native_stderr_discarded() -> Iterator[None]:
    """Send what native code writes to file descriptor 2 nowhere."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever a keras.json in the home folder says
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# TensorFlow's first lines are written before it reads its log level.
with _native_stderr_discarded():
    import keras
