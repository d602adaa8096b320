"""When each lane is due: what waits is worth a request, and its route is open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from time import monotonic
from typing import Any

from .lane import Lane


class Agenda:
    """Due is a lane of which `batch_size` items wait, or one for `flush_interval` seconds.

    An immediate lane is due at its first item, and each is when somebody is in a hurry: waits for the
    queues to be empty. No lane is due before its route is open.
    """

    def __init__(self, lanes: Sequence[Lane[Any]], batch_size: int, flush_interval: float) -> None:
        self._lanes = lanes
        self._batch_size = batch_size
        self._flush_interval = flush_interval

    def due_at(self, lane: Lane[Any], *, hurried: bool) -> float:
        """Return the monotonic time at which a lane is due, as things are now."""
        if lane.idle:
            return math.inf
        queue = lane.queue
        ready = 0.0
        if not (lane.in_hand or hurried or len(queue) >= self._enough(lane)):
            ready = queue.waiting_from() + self._flush_interval
        at_once = hurried or (lane.immediate and not lane.failed_at) or queue.half_full
        return max(ready, lane.route.open_at(hurried=at_once))

    def next_due(self, *, hurried: bool) -> float:
        """Return when the first lane is due, in `flush_interval` seconds at the latest."""
        latest = monotonic() + self._flush_interval
        return min(latest, *(self.due_at(lane, hurried=hurried) for lane in self._lanes))

    def set_wake_marks(self) -> float:
        """Tell each lane at how many items to wake the worker; return when the marks change by time."""
        now, until = monotonic(), math.inf
        for lane in self._lanes:
            opens_at = lane.route.open_at(hurried=False)
            lane.queue.wake_at = self._enough(lane)
            if opens_at > now and not lane.immediate:  # only a crowd is let in earlier
                lane.queue.wake_at = lane.queue.half
                until = min(until, opens_at)
        return until

    def _enough(self, lane: Lane[Any]) -> int:
        """Return how many waiting items are worth a request."""
        return 1 if lane.immediate else min(self._batch_size, lane.queue.half)
