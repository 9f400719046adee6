"""Pixels: decode, resize, preprocess and draw them. Knows nothing of where images are kept."""
