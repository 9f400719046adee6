"""The HTTP service: searches for many who ask, from the release that search uses."""
