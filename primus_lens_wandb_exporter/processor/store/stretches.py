"""How a curve is cut into the stretches of which a few points stay when it is thinned out."""

from __future__ import annotations

_FARTHEST = 2**63 - 1  # what an engine's integers hold


def find_width(distance: int, parts: int) -> int:
    """Return how wide the parts are on a line cut at its multiples, if at most `parts` are to be met."""
    return min(max(1, -(-distance // (parts - 1))), _FARTHEST)
