"""How many pods are silent, for Prometheus: counted now and then, no scrape asks the database."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

from .store import CRASHED_AFTER, SECOND, Store

INTERVAL = 60.0  # seconds from one look to the next


class SilentPods:
    """A daemon thread that looks once a minute.

    Args:
        first: seconds before the first look: while no server was there, nobody could be heard of.

    Attributes:
        count: as of the last look; None: there was none yet, or the database did not answer.
    """

    def __init__(
        self, store: Store, first: float = CRASHED_AFTER / SECOND, interval: float = INTERVAL
    ) -> None:
        self.count: int | None = None
        self._store = store
        self._waits = (first, interval)
        self._stop = threading.Event()
        threading.Thread(target=self._work, name="processor-silence", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _work(self) -> None:
        wait, interval = self._waits
        while not self._stop.wait(wait):
            wait, found = interval, None
            with suppress(Exception):  # who asks or sends is told
                found = self._store.count_silent_pods(time.time_ns() // 1000)
            self.count = found
