"""The demonstration: a sample catalogue of real photographs, and a guided run over it."""
