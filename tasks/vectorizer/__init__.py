"""From preprocessed images to vectors: backbones, their weights, Keras and ONNX Runtime."""
