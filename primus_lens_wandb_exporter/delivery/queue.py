"""A bounded queue that never makes a producer wait: when it is full, the new item is refused."""

from __future__ import annotations

import time
from collections import deque
from itertools import islice
from threading import RLock
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_WEIGHT = 100_000  # of all that waits, if there is anything heavy among it
_HEAVY = 50
_PATIENCE = 1000  # looks at a queue that is being emptied


class BoundedQueue(Generic[T]):
    """Items with weights, first in, first out.

    A `put` takes no lock: it looks and appends, either of which is one operation of the interpreter. So
    with several producers at once the capacity may be passed by one item each, and a signal handler or
    a finaliser may put at any moment. What is counted is counted where it is rare: at refusals, under
    a lock, and by the consumer.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.wake_at = 1  # as many waiting items are worth waking the consumer
        self._limit = capacity  # 0 once closed
        self._spare = 0  # weight that may wait beyond the capacity
        self.refused = {"queue_full": 0, "shutdown": 0}  # weight of what was refused, by reason
        self._waiting_since: float | None = None
        self._items: deque[tuple[T, int]] = deque()
        self._taken = 0  # weight
        self._heaviest = _HEAVY  # of all items ever
        self._takes = 0  # odd while one is going on
        self._lock = RLock()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, weight: int = 1, beyond: int = 0) -> int:
        """Add an item and return how many wait now, or refuse it and return 0.

        Args:
            item: what is to wait.
            weight: what it counts for.
            beyond: weight that may wait beyond the capacity, for the sake of this item.
        """
        items = self._items
        waiting = len(items)
        if (waiting >= self._limit or weight > _HEAVY) and not self._has_room(waiting, weight, beyond):
            return 0
        if not waiting:
            self._waiting_since = time.monotonic()
        items.append((item, weight))
        return waiting + 1

    def _has_room(self, waiting: int, weight: int, beyond: int) -> bool:
        """Look closer, and count what is refused."""
        with self._lock:
            full = waiting >= self._limit
            crowded = full and (weight > self._spare + beyond or not self._limit)
            if crowded or self._is_too_heavy(weight):
                # One operation, no call in it: a signal handler that puts cannot come between.
                self.refused["queue_full" if self._limit else "shutdown"] += weight
                return False
            if full:
                self._spare -= weight
            return True

    def _is_too_heavy(self, weight: int) -> bool:
        if weight <= _HEAVY:
            return False
        self._heaviest = max(self._heaviest, weight)
        if (len(self._items) + 1) * self._heaviest <= MAX_WEIGHT:  # no need to look closer
            return False
        waiting = self._weigh()
        return bool(waiting) and waiting + weight > MAX_WEIGHT

    def _weigh(self) -> int:
        return sum([weight for _, weight in self._items.copy()])

    @property
    def offered(self) -> int:
        """Weight of all that was put, refused or not."""
        for _ in range(_PATIENCE):
            takes = self._takes
            offered = self._taken + self._weigh() + sum(self.refused.values())
            if takes == self._takes and not takes % 2:
                break
            time.sleep(0)  # something is on its way from the queue to what was taken
        return offered

    @property
    def newest(self) -> T | None:
        """The item that came last, if it still waits."""
        try:
            return self._items[-1][0]
        except IndexError:
            return None

    def allow(self, spare: int) -> None:
        """Let so much weight wait beyond the capacity, until the consumer comes back."""
        surplus = max(0, len(self._items) - self.capacity)
        self._spare = spare - sum(weight for _, weight in islice(reversed(self._items.copy()), surplus))

    def take(self, max_weight: int) -> list[tuple[T, int]]:
        """Remove the oldest items, up to `max_weight` together but at least one if there is any.

        For one consumer.
        """
        taken: list[tuple[T, int]] = []
        total = 0
        items = self._items
        self._takes += 1
        while items and (not taken or total + items[0][1] <= max_weight):
            entry = items.popleft()
            total += entry[1]
            taken.append(entry)
        self._taken += total
        self._takes += 1
        self._waiting_since = time.monotonic() if items else None
        return taken

    def waiting_from(self) -> float:
        """Return since when (monotonic seconds) something has waited, to within a `take`."""
        since = self._waiting_since
        if since is None:  # a `put` fell into the middle of a `take`
            since = self._waiting_since = time.monotonic()
        return since

    def close(self) -> None:
        """Refuse whatever is put from now on."""
        self._limit = 0

    @property
    def half(self) -> int:
        """Half of the capacity, at least one item."""
        return (self.capacity + 1) // 2

    @property
    def half_full(self) -> bool:
        """Whether at least half of the capacity is used."""
        return len(self._items) >= self.half
