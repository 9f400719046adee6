"""What is measured, and the scripts that print it."""

# Before ONNX Runtime and OpenVINO are: it keeps both from reporting to their makers.
import tasks.vectorizer  # noqa: F401
