"""The vector index and the search engine over it: FAISS proposes, exact cosine disposes."""
