"""Send what lies in a spool, one body at a time, the oldest first."""

from __future__ import annotations

from time import monotonic

from .. import guard
from .envelope import Envelope, Outcome, Sink, Verdict
from .route import SPACING, Route
from .spool import Claim, Spool

_LONGEST_UNKNOWN = 3600.0  # seconds in which a processor gets to know a pod, or never


class _Patient:
    """A sink that never says never: the address may be the wrong one, and what is spooled can wait."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.close = sink.close

    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        outcome = self._sink.send(envelope, timeout)
        return outcome._replace(verdict=Verdict.RETRY) if outcome.verdict is Verdict.DROP else outcome


class Replay:
    """Used by one thread.

    The route is its own: a body of a workload that is long gone must not hold up what is new.

    Args:
        spool: what is sent.
        sink: where it goes.
        interval: seconds after which an empty spool is looked at again.
    """

    def __init__(self, spool: Spool, sink: Sink, interval: float = 0.0) -> None:
        self.spool = spool
        self.route = Route(_Patient(sink))
        self.due_at = 0.0  # monotonic time of the next step
        self._interval = interval
        self.sent = 0  # weight
        self._names: list[str] = []  # to be tried, the oldest last

    def step(self, timeout: float, *, well: bool) -> None:
        """Send one body if the other side is `well` and there is one, and set when to come again."""
        now = monotonic()
        self.due_at = now + self._interval
        if well and self.send_next(timeout):
            self.due_at = max(now + SPACING, self.route.open_at(hurried=True))

    def send_next(self, timeout: float) -> Outcome | None:
        """Send the oldest file that can be claimed; return what became of it, None if there is none."""
        self._names = self._names or self.spool.waiting()[::-1]
        claim = None
        while claim is None:
            if not self._names:
                return None
            try:
                claim = self.spool.claim(self._names.pop())
            except OSError as error:
                guard.debug(guard.REPORTER_PREFIX, f"spool: {error}")
        outcome = Outcome(Verdict.RETRY)
        try:
            outcome = self.route.send(claim.envelope, timeout, monotonic())
        finally:
            self._settle(claim, outcome)
        return outcome

    def _settle(self, claim: Claim, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.SENT:
            self.spool.discard(claim)
            self.sent += claim.envelope.weight
            return
        halves = claim.envelope.split() if outcome.verdict is Verdict.SPLIT else None
        unknown = outcome.reason == "http_400" and claim.age > _LONGEST_UNKNOWN
        if halves and self.spool.put(*halves):
            self.spool.discard(claim)
        elif halves or (outcome.verdict is Verdict.RETRY and not unknown):
            self.spool.release(claim)
        else:
            self.spool.refuse(claim, outcome.detail or outcome.reason)
