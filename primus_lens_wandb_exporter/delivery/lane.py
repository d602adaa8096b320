"""One kind of thing on its way out: its queue, what is in hand, and the account of it.

    offered = sent + dropped[reason] + pending

holds at every moment. Each counter has one writer: the queue's are the producers', under their
lock; `sent` and the reasons here are the worker's.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from .. import guard
from .envelope import Envelope, Outcome, Verdict
from .queue import BoundedQueue
from .route import Route

T = TypeVar("T")

MAX_WEIGHT = 1000  # counted things that leave the queue in one go


class Lane(Generic[T]):
    """A bounded queue, the function that packs its items into envelopes, and the route they take."""

    def __init__(
        self,
        name: str,
        capacity: int,
        pack: Callable[[Sequence[T]], Iterable[Envelope]],
        route: Route,
        *,
        immediate: bool = False,
    ) -> None:
        self.name = name
        self.queue: BoundedQueue[T] = BoundedQueue(capacity)
        self.route = route
        self.immediate = immediate  # goes out at once: neither batched nor spaced
        self.wake_at = 1  # as many waiting items wake the worker
        self.outbox: deque[Envelope] = deque()
        self.sent = 0
        self._pack = pack
        self._dropped: dict[str, int] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in hand."""
        return not self.outbox and not len(self.queue)

    @property
    def accepted(self) -> int:
        """Weight of all that was ever offered to this lane."""
        return self.queue.offered

    @property
    def dropped(self) -> dict[str, int]:
        """Weight of what was lost, by reason."""
        dropped = dict(self._dropped)
        for reason, weight in list(self.queue.refused.items()):
            dropped[reason] = dropped.get(reason, 0) + weight
        return dropped

    def account(self) -> dict[str, object]:
        """Return `accepted`, `sent`, `dropped` (by reason) and `pending`, consistent with each other."""
        # What was accepted is read last, so a log call in between counts as pending.
        sent, dropped = self.sent, self.dropped
        accepted = self.accepted
        pending = accepted - sent - sum(dropped.values())
        return {"accepted": accepted, "sent": sent, "dropped": dropped, "pending": pending}

    def fill_outbox(self) -> None:
        """Take what waits, as far as it fits into one go, and pack it; what cannot be packed is dropped."""
        taken = self.queue.take(MAX_WEIGHT)
        items = [item for item, _ in taken]
        packed = False
        with guard.boundary:
            self.outbox.extend(list(self._pack(items)))
            packed = True
        if not packed:
            self.drop("internal_error", sum(weight for _, weight in taken))

    def settle(self, outcome: Outcome, retry_timeout: float) -> None:
        """Apply a sink's answer to the first envelope of the outbox."""
        envelope = self.outbox[0]
        if outcome.verdict is Verdict.RETRY:
            if time.monotonic() - envelope.created < retry_timeout:
                return
            self.outbox.popleft()
            self.drop("retry_timeout", envelope.weight)
            return
        self.outbox.popleft()
        if outcome.verdict is Verdict.SENT:
            self.sent += envelope.weight
            return
        halves = envelope.split() if outcome.verdict is Verdict.SPLIT else None
        if halves:
            self.outbox.extendleft(reversed(halves))
        else:
            self.drop(outcome.reason, envelope.weight)

    def drop(self, reason: str, weight: int) -> None:
        """Count a loss."""
        self._dropped[reason] = self._dropped.get(reason, 0) + weight

    def drop_rest(self, reason: str) -> None:
        """Give up all that is in hand or waiting."""
        for envelope in self.outbox:
            self.drop(reason, envelope.weight)
        self.outbox.clear()
        while len(self.queue):
            self.drop(reason, sum(weight for _, weight in self.queue.take(MAX_WEIGHT)))
