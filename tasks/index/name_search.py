"""Looks a name up among rows that are stored far away: in few rounds, of few rows each."""

from bisect import bisect_left

import numpy as np

from tasks.index.rows import RowReader

# A round asks for the rows between so many parts at once, and the last one for the rest.
_PARTS = 24
_REST = 512


def find_name(names: RowReader, wanted: str) -> tuple[int, bool]:
    """Returns the row where a name belongs, and whether it is there.

    Args:
        names: rows (N,) of strings, ascending by code point.
        wanted: the name.
    """
    low, high = 0, len(names)  # where it belongs is one of these, or between
    while high - low > _REST:
        probes = np.linspace(low, high, _PARTS + 1).astype(np.int64)[1:-1]
        after = bisect_left([str(name) for name in names.read_rows(probes)], wanted)
        low = int(probes[after - 1]) + 1 if after else low
        high = int(probes[after]) if after < len(probes) else high
    rest = [str(name) for name in names.read_rows(np.arange(low, min(high + 1, len(names))))]
    position = bisect_left(rest, wanted)
    return low + position, position < len(rest) and rest[position] == wanted
