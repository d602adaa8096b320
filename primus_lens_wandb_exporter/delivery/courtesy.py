"""Give the training thread the GIL between two chunks of work, unless a queue is filling up.

A thread that wants the GIL waits up to 5 ms for one that computes. So the worker lets go of it every
fraction of a millisecond, but it may then wait 5 ms itself each time, and cannot keep up with a
program that logs flat out; losing nothing comes first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

_SLICE = 200e-6  # seconds of work between two pauses
# Long enough for a waiting thread to wake up: after `sleep(0)` we would have the GIL back before it.
_PAUSE = 50e-6  # seconds

_crowded = False


def set_crowded(crowded: bool) -> None:
    """Say whether a queue is filling up faster than it is emptied."""
    global _crowded
    _crowded = crowded


def give_way() -> None:
    """Let another thread run, if there is time for it."""
    if not _crowded:
        time.sleep(_PAUSE)


def in_slices(items: Iterable[T]) -> Iterator[T]:
    """Yield the items, and give way whenever a fraction of a millisecond has been spent on them."""
    ends = time.monotonic() + _SLICE
    for item in items:
        yield item
        if time.monotonic() >= ends:
            give_way()
            ends = time.monotonic() + _SLICE
