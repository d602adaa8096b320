"""One sink and the pace at which it may be used: spacing while it is well, back-off while it is not."""

from __future__ import annotations

import random
from time import monotonic, time

from .envelope import Envelope, Outcome, Sink, Verdict

_REFUSALS_IN_A_HURRY = 30  # more than successes, until requests are spaced whatever waits
SPACING = 1.0  # seconds between two requests, unless a queue is half full
_LONGEST_BACKOFF = 30.0
_LONGEST_RETRY_AFTER = 120.0

_dice = random.SystemRandom()  # a training that seeds `random` expects its numbers for itself


class Route:
    """A sink with its health; used by the worker thread alone."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.failures = 0  # in a row
        self.errors = 0  # in all
        self.retries = 0
        self.last_error = ""
        self.last_success: float | None = None  # Unix time, seconds
        self.took_at = 0.0  # monotonic time of the last success
        self.unreachable = False
        self._refusals = 0  # more than successes
        self._last_request = -SPACING
        self._retry_at = 0.0

    @property
    def healthy(self) -> bool:
        """Whether the last request, if there was one, was answered with anything but a failure."""
        return not self.failures

    @property
    def is_refusing(self) -> bool:
        """Whether it refuses so much that to look for what it takes has to be slow."""
        return self._refusals >= _REFUSALS_IN_A_HURRY

    def open_at(self, *, hurried: bool) -> float:
        """Return the earliest monotonic time of the next request; if `hurried`, spacing is left out."""
        if self.failures:
            return self._retry_at
        return 0.0 if hurried and not self.is_refusing else self._last_request + SPACING

    def try_once_more(self) -> None:
        """Allow the next request now if nothing answered the last one, else at the normal spacing."""
        if self.failures:
            self._retry_at = 0.0 if self.unreachable else self._last_request + SPACING

    def send(self, envelope: Envelope, timeout: float, now: float) -> Outcome:
        """Pass one envelope to the sink, note how it went, and set the time of the next attempt."""
        if self.failures:
            self.retries += 1
        self._last_request = now
        try:
            outcome = self.sink.send(envelope, timeout)
        except Exception as error:  # a sink does not raise; if one does, its envelope is the loss
            outcome = Outcome(Verdict.DROP, "internal_error", f"{type(error).__name__}: {error}")
        if outcome.verdict is Verdict.SENT:
            self.last_success = time()
            self.took_at = monotonic()
            self._refusals = max(0, self._refusals - 1)
        else:
            self.errors += 1
            self.last_error = outcome.detail or outcome.reason
        if outcome.verdict is Verdict.RETRY:
            self._back_off(outcome)
        else:
            self.failures = 0
            if outcome.verdict is not Verdict.SENT:
                self._refusals = min(_REFUSALS_IN_A_HURRY, self._refusals + 1)
        return outcome

    def _back_off(self, outcome: Outcome) -> None:
        self.unreachable = outcome.unreachable
        delay = max(SPACING, min(outcome.retry_after or 0.0, _LONGEST_RETRY_AFTER))
        # Full jitter on top: pods that failed together, or were told the same, come back apart.
        delay += _dice.uniform(0.0, min(_LONGEST_BACKOFF, 2.0 ** min(self.failures, 10)))
        self.failures += 1
        self._retry_at = monotonic() + delay
