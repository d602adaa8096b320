"""Makes known how delivery goes: the published statistics, and the one line about losses."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any, Callable

from . import guard
from .delivery.courtesy import give_way
from .delivery.lane import Lane
from .stats_files import StatsFile

_SECONDS_BETWEEN = 1.0
_SECONDS_BETWEEN_CROWDED = 10.0  # while a queue fills up, there is more urgent work


class Herald:
    """Called by the worker after each round, and once more at the exit."""

    def __init__(
        self, lanes: Mapping[str, Lane[Any]], snapshot: Callable[[], Mapping[str, Any]]
    ) -> None:
        self.file: StatsFile | None = StatsFile()  # None where no folder can be written
        self.last_time = monotonic()
        self._lanes = lanes
        self._snapshot = snapshot
        self._warned_losses = 0

    def after_round(self) -> None:
        """Publish and warn, unless that was done a moment ago."""
        since = monotonic() - self.last_time
        crowded = any(lane.queue.half_full for lane in self._lanes.values())
        if since < (_SECONDS_BETWEEN_CROWDED if crowded else _SECONDS_BETWEEN):
            return
        self.last_time += since
        give_way()
        self._warn_of_losses()
        if self.file is not None:
            try:
                snapshot = self._snapshot()
                give_way()
                self.file.write(snapshot)
            except OSError as error:
                self.file = None
                guard.debug(guard.REPORTER_PREFIX, f"statistics are not published: {error}")

    def close(self) -> None:
        """Warn for the last time, and take the published statistics back."""
        self._warn_of_losses(at_exit=True)
        if self.file is not None:
            self.file.remove()

    def _warn_of_losses(self, *, at_exit: bool = False) -> None:
        """Warn of what was lost since the last warning; at the exit, what is pending is lost, too."""
        lost, listed = 0, []
        for name, lane in self._lanes.items():
            account = lane.account()
            losses = dict(account.dropped)
            if at_exit and account.pending:
                losses["pending"] = account.pending
            if losses:
                lost += sum(losses.values())
                reasons = ", ".join(f"{count} {reason}" for reason, count in losses.items())
                listed.append(f"{name}: {reasons}")
        if lost > self._warned_losses:
            self._warned_losses = lost
            known = self._snapshot()
            guard.warn(
                f"data is being lost ({'; '.join(listed)}); endpoint: {known['endpoint']}; "
                f"last error: {known['last_error'] or 'none'}"
            )
