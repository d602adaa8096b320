"""Run events: that a run of this process began, and how it ended.

They travel among the log entries, as objects under a name of their own; what a log call was given comes
flattened, so none of its entries is an object.
"""

from __future__ import annotations

import os
import time
from typing import Any, Callable, NamedTuple

from .payloads import LogCall

EVENT = "primus_lens.event"

_INT32 = 2**31


class Ending(NamedTuple):
    """How a run ended: 0 is success; the cause is `finish`, `exit`, a signal or an exception."""

    exit_code: int
    cause: str


class RunEvents:
    """Says once of each run that it began, and once how it ended.

    Args:
        offer: takes a log call that carries an event.
    """

    def __init__(self, offer: Callable[[LogCall], None]) -> None:
        self.last_steps: dict[str, int] = {}  # of all runs that log, filled by whoever sees it
        self._offer = offer
        self._open: dict[str, None] = {}  # runs that began and did not end, the oldest first

    def begin(self, run_id: str) -> None:
        """Say that a run began, unless it is open."""
        if run_id not in self._open:
            self._open[run_id] = None
            self._say(run_id, "started", None, "init")

    def end(self, run_id: str, ending: Ending) -> None:
        """Say that a run ended, unless it had, or is another process's."""
        exit_code, cause = ending
        if self._open.pop(run_id, self) is None:
            self._say(run_id, "failed" if exit_code else "finished", exit_code, cause)
        self.last_steps.pop(run_id, None)

    def end_all(self, ending: Ending) -> None:
        """Say of all open runs that they ended."""
        for run_id in list(self._open):
            self.end(run_id, ending)

    def _say(self, run_id: str, kind: str, exit_code: int | None, cause: str) -> None:
        event: dict[str, Any] = {
            "kind": kind,
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "exit_code": exit_code,
            "cause": cause,
        }
        step = self.last_steps.get(run_id, 0)
        self._offer(LogCall(run_id, time.time(), step, {}, {EVENT: event}))


def to_exit_code(value: Any) -> int:
    """Return what `sys.exit` makes of a value, as a 32-bit integer."""
    if value is None:
        return 0
    if not isinstance(value, int):
        return 1
    return max(-_INT32, min(int(value), _INT32 - 1))
