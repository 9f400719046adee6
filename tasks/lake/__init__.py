"""The data lake: where artifacts are, how they are read and written. Knows no pixels."""
