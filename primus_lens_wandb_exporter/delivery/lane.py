"""One kind of thing on its way out: its queue, what is in hand, and the account of it.

    accepted = sent + spooled + dropped[reason] + pending

holds at every moment. Each counter has one writer: the queue's are the producers', under their
lock; `sent`, `spooled` and the reasons here are the worker's.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from .. import guard
from .courtesy import give_way, set_crowded
from .envelope import Envelope, Outcome, Verdict
from .queue import BoundedQueue
from .route import Route
from .spool import Spool

T = TypeVar("T")

MAX_IN_HAND = 10_000  # counted things that leave the queue in one go, to travel in several envelopes


class Account(NamedTuple):
    """Weights that add up: `accepted = sent + spooled + pending + sum(dropped)`."""

    accepted: int
    sent: int
    spooled: int
    pending: int
    dropped: dict[str, int]  # by reason


class Lane(Generic[T]):
    """A bounded queue, the function that packs its items into envelopes, and the route they take.

    With a spool, what cannot be delivered goes there before it is lost.
    """

    def __init__(
        self,
        name: str,
        capacity: int,
        pack: Callable[[Sequence[T]], Iterable[Envelope]],
        route: Route,
        spool: Spool | None = None,
        *,
        immediate: bool = False,
    ) -> None:
        self.name = name
        self.queue: BoundedQueue[T] = BoundedQueue(capacity)
        self.route = route
        self.spool = spool
        self.immediate = immediate  # goes out at once: neither batched nor spaced
        self.failed_at = 0.0  # monotonic time of the last answer, if that was to try again
        self.served_at = 0.0  # monotonic time of its last turn
        self.sent = 0
        self.spooled = 0
        self.in_hand = 0  # weight taken from the queue and not settled yet
        self._pack = pack
        self._packing: deque[Iterator[Envelope]] = deque()  # one for each taking from the queue
        self._outbox: deque[Envelope] = deque()  # packed, first to be sent first
        self._dropped: dict[str, int] = {}
        self._overtaken = 0.0  # seconds that the first to be sent failed while the route took others

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in hand."""
        return not self.in_hand and not len(self.queue)

    @property
    def accepted(self) -> int:
        """Weight of all that was ever offered to this lane."""
        return self.queue.offered

    @property
    def dropped(self) -> dict[str, int]:
        """Weight of what was lost, by reason."""
        dropped = dict(self._dropped)
        for reason, weight in self.queue.refused.items():
            if weight:
                dropped[reason] = dropped.get(reason, 0) + weight
        return dropped

    def account(self) -> Account:
        """Return the state of the account."""
        # What was accepted is read last, so a log call in between counts as pending.
        sent, spooled, dropped = self.sent, self.spooled, self.dropped
        accepted = self.accepted
        pending = accepted - sent - spooled - sum(dropped.values())
        return Account(accepted, sent, spooled, pending, dropped)

    def next_envelope(self) -> Envelope | None:
        """Return the envelope to send next, the same one until it is settled; None if nothing waits.

        Envelopes are packed one by one as they are needed. What cannot be packed is dropped. From a
        crowded queue more is taken than can be sent at once, so that it does not overflow meanwhile.
        """
        if not self._outbox:
            if not self.in_hand or self.queue.half_full:
                self._take()
                give_way()
            self._pack_one()
            give_way()
        return self._outbox[0] if self._outbox else None

    def prepare_for_absence(self) -> None:
        """Let the queue grow by what could have been taken in hand, while nobody comes to take it."""
        if not self.immediate:
            self.queue.allow(max(0, MAX_IN_HAND - self.in_hand))

    def _take(self) -> None:
        if self.in_hand >= MAX_IN_HAND:
            return
        taken = self.queue.take(MAX_IN_HAND - self.in_hand)
        self.in_hand += sum(weight for _, weight in taken)
        with guard.boundary:
            self._packing.append(iter(self._pack([item for item, _ in taken])))

    def _pack_one(self) -> None:
        set_crowded(self.queue.half_full)
        with guard.boundary:
            while self._packing and not self._outbox:
                self._outbox.extend(islice(self._packing[0], 1))
                if not self._outbox:
                    self._packing.popleft()
        if self.in_hand and not self._outbox:
            self._packing.clear()
            self._lose("internal_error", self.in_hand)

    def settle(self, outcome: Outcome, retry_timeout: float, *, halve: bool = True) -> None:
        """Apply a sink's answer to the envelope that was sent.

        Without `halve`, a refused envelope is lost as a whole: to find the one bad entry takes time.
        """
        envelope = self._outbox[0]
        if outcome.verdict is Verdict.RETRY:
            self._note_failure(envelope)
            expired = self.failed_at - envelope.created >= retry_timeout
            if expired and not self._keep(envelope) and not self._may_wait(retry_timeout):
                self._remove_first()
                self._lose("retry_timeout", envelope.weight)
            return
        self.failed_at = 0.0
        if outcome.verdict is Verdict.SPLIT and not halve and self._keep(envelope):
            return
        self._remove_first()
        if outcome.verdict is Verdict.SENT:
            self.sent += envelope.weight
            self.in_hand -= envelope.weight
            return
        halves = envelope.split() if halve and outcome.verdict is Verdict.SPLIT else None
        if halves:
            self._outbox.extendleft(reversed(halves))
        else:
            self._lose(outcome.reason, envelope.weight)

    def _note_failure(self, envelope: Envelope) -> None:
        now, since = time.monotonic(), max(self.failed_at, envelope.created)
        if self.route.took_at > since:
            self._overtaken += now - since
        self.failed_at = now

    def _may_wait(self, retry_timeout: float) -> bool:
        """Return whether to wait on costs nothing: there is room, and nothing else gets through either.

        Only the time in which others got through counts: neither an outage nor a stumble right before
        or after it makes this envelope the culprit.
        """
        return not self.queue.half_full and not (self._overtaken and self._overtaken >= retry_timeout)

    def _remove_first(self) -> None:
        self._outbox.popleft()
        self._overtaken = 0.0

    def put_aside(self, until: float = math.inf) -> None:
        """Move what is in hand or waiting into the spool, while that takes it and there is time."""
        while self.spool is not None and time.monotonic() < until:
            envelope = self.next_envelope()
            if envelope is None or not self._keep(envelope):
                return

    def _keep(self, envelope: Envelope) -> bool:
        """Move the first envelope into the spool; return False if that cannot be."""
        if self.spool is None or not self.spool.put(envelope):
            return False
        self._remove_first()
        self.spooled += envelope.weight
        self.in_hand -= envelope.weight
        return True

    def give_up(self, reason: str, until: float = math.inf) -> None:
        """Put aside what is in hand or waiting; lose, for this reason, what cannot be in time."""
        self.put_aside(until)
        self._lose(reason, self.in_hand)
        self._outbox.clear()
        self._overtaken = 0.0
        self._packing.clear()
        while len(self.queue):
            self.in_hand = sum(weight for _, weight in self.queue.take(MAX_IN_HAND))
            self._lose(reason, self.in_hand)

    def _lose(self, reason: str, weight: int) -> None:
        if weight:
            self._dropped[reason] = self._dropped.get(reason, 0) + weight
            self.in_hand -= weight
