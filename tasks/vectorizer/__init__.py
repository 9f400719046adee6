"""From preprocessed images to vectors: backbones, weights; Keras, ONNX Runtime and OpenVINO."""

import os
import sys

# ONNX Runtime reports to its makers what it computes, unless it finds this when it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
# OpenVINO reports to its makers that it is imported, unless this package cannot be.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
