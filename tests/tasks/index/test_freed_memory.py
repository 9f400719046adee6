import subprocess
import sys

import pytest

# What a search does with memory, in a new process: what has run before it decides what glibc keeps.
ROUNDS = """
import resource, statistics
import numpy as np
{prepare}
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.ones(300_000) for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(statistics.median([faults() for _ in range(11)]))
"""
KEEP = "from tasks.index.freed_memory import keep_freed_memory; keep_freed_memory()"


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone gives memory back at once")
def test_the_next_search_is_handed_no_new_pages() -> None:
    new, kept = (
        float(subprocess.check_output([sys.executable, "-c", ROUNDS.format(prepare=prepare)]))
        for prepare in ("", KEEP)
    )
    assert kept < new / 10
