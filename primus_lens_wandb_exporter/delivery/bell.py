"""A bell that wakes one sleeper."""

from __future__ import annotations

import threading


class Bell:
    """Unlike `threading.Event`, one operation each: a signal handler may ring at any moment."""

    def __init__(self) -> None:
        self._silent = threading.Lock()
        self._silent.acquire()

    def ring(self) -> None:
        """Wake the sleeper, or the next one."""
        try:
            self._silent.release()
        except RuntimeError:  # it was rung already
            pass

    def wait(self, seconds: float) -> bool:
        """Sleep until it is rung, at most so long; return whether it was. It is silent then."""
        return self._silent.acquire(timeout=seconds)

    def silence(self) -> None:
        """Forget a ring that nobody has heard."""
        self._silent.acquire(blocking=False)
