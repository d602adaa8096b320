"""Lists of numbers as the kernel and Slurm write them: `0-3,8`."""

from __future__ import annotations

import re

_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_MOST = 16384  # numbers in a list: twice the CPUs that Linux can be built for


def parse_ranges(text: str) -> frozenset[int]:
    """Return the numbers that a list like `0-3,8` names; none of them if it is garbled."""
    found: set[int] = set()
    left = _MOST
    for part in text.strip().split(","):
        named = _RANGE.fullmatch(part.strip())
        if named is None:
            return frozenset()
        numbers = range(int(named[1]), int(named[2] or named[1]) + 1)
        left -= len(numbers)
        if left < 0:
            return frozenset()
        found.update(numbers)
    return frozenset(found)
