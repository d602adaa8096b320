"""Counts and lists as Slurm's environment variables write them; what is garbled counts as nothing."""

from __future__ import annotations

import re

from .ranges import parse_ranges

_PER_NODE = re.compile(r"([0-9]{1,6})(?:\(x([0-9]{1,6})\))?")
_MEBIBYTES = re.compile(r"([0-9]{1,12})([KMGT]?)B?", re.IGNORECASE)
_GPUS = re.compile(r"(?:gpu:)?(?:([^\s:,()]{1,64}):)?([0-9]{1,4})(?:\([^)]*\))?")
_KIB = {"K": 1, "": 1 << 10, "M": 1 << 10, "G": 1 << 20, "T": 1 << 30}


def count_at_node(text: str, node: int) -> int:
    """Return what a list like `16(x2),8` (16 on each of two nodes, 8 on the next) gives to a node.

    Where the list is shorter, what it gives to the first; 0 if it is garbled.
    """
    first = found = 0
    for part in text.strip().split(","):
        entry = _PER_NODE.fullmatch(part.strip())
        if entry is None:
            return 0
        count, times = int(entry[1]), int(entry[2] or 1)
        first = first or count
        if 0 <= node < times:
            found = count
        node -= times
    return found or first


def parse_memory(text: str) -> int:
    """Return an amount in bytes; without a unit it is MiB. 0, which is "all there is", if garbled."""
    amount = _MEBIBYTES.fullmatch(text.strip())
    return int(amount[1]) * _KIB[amount[2].upper()] * 1024 if amount else 0


def count_gpus(text: str) -> int:
    """Return how many GPUs a request gives a node: `4`, `a100:4`, `gpu:a100:2,gpu:v100:2`."""
    return sum(count for _, count in _parse_gpus(text))


def name_gpus(text: str) -> str:
    """Return the types of GPUs that a request names, joined by `, `; empty if it names none."""
    return ", ".join(dict.fromkeys(name for name, _ in _parse_gpus(text) if name))


def count_indices(text: str) -> int:
    """Return how many GPUs a list of indices names: `0,1`, `0-3`."""
    return len(parse_ranges(text))


def _parse_gpus(text: str) -> list[tuple[str, int]]:
    entries = [_GPUS.fullmatch(part.strip()) for part in text.strip().split(",")]
    named = [((entry[1] or ""), int(entry[2])) for entry in entries if entry is not None]
    named = [("" if name == "gpu" else name, count) for name, count in named]
    return named if len(named) == len(entries) else []
