"""How long the end of a process may take."""

from __future__ import annotations

from time import monotonic

from .envelope import Outcome

_MARGIN, _MARGIN_SHARE = 0.5, 0.2  # seconds, at most so much of the whole, for what an exit does besides
_UNREACHABLE = 0.8  # seconds of patience when nothing answers
_PAUSE_UNREACHABLE, _PAUSE = 0.4, 1.0  # seconds between two attempts
_SHORTEST_TIMEOUT = 0.1


class Departure:
    """Begins when it is made, and is over when there was no progress for too long.

    Args:
        patience: seconds without progress.
        at_most: seconds in all, however well it goes.
        waited: seconds of the patience that are spent already.
    """

    def __init__(self, patience: float, at_most: float, waited: float = 0.0) -> None:
        now = monotonic()
        self._patience = _without_margin(patience)
        self._since = now - waited
        self._ends_at = now + _without_margin(at_most)

    def note_progress(self) -> None:
        """Be patient anew."""
        self._since = monotonic()

    @property
    def seconds_left(self) -> float:
        """How long it goes on if nothing happens; 0 when it is over."""
        return max(0.0, min(self._since + self._patience, self._ends_at) - monotonic())

    def request_timeout(self, usual: float) -> float:
        """Return the seconds that one request may take now."""
        return max(_SHORTEST_TIMEOUT, min(usual, self.seconds_left))

    def pause_before_retry(self, outcome: Outcome) -> float | None:
        """Return how many seconds to wait before the next attempt, or None if there is to be none."""
        left, pause = self.seconds_left, _PAUSE
        if outcome.unreachable:
            left, pause = min(left, self._since + _UNREACHABLE - monotonic()), _PAUSE_UNREACHABLE
        return pause if pause < left else None


def _without_margin(seconds: float) -> float:
    return seconds - min(_MARGIN, _MARGIN_SHARE * seconds)
