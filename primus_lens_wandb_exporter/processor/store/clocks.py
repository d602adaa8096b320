"""How far a sender's clock is believed: of some nobody has set the time, and some go ahead.

A point keeps the time that it came with; when a run began and ended must not mislead.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import SECOND

LONGEST_WAY = 10 * 365 * 86400 * SECOND  # from a sender to here; a clock that was never set says 1970


def believe(stamp: int, received: int) -> int:
    """Return a time if it can be right, else that of receipt (both Unix microseconds)."""
    return stamp if received - LONGEST_WAY <= stamp <= received else received


def earliest(stamps: Iterable[int], received: int) -> int:
    """Return the earliest of times that can be right, that of receipt if none of them can."""
    stamps = list(stamps)
    first = min(stamps, default=received)
    if first < received - LONGEST_WAY:  # seldom, so each is looked at only then
        first = min(believe(stamp, received) for stamp in stamps)
    return min(first, received)
