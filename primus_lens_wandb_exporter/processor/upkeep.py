"""What keeps the store small while the server runs: what is old goes, bit by bit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from .settings import Settings
from .store import SECOND, Store, Thinned
from .store.writer import Writer

DAY = 24 * 3600  # seconds

# A sender tries again for a day at most (`RETRY_TIMEOUT`), and a spool is sent when the server is back,
# be that after a long weekend. A spool that lay longer is no loss either: nothing limits its age, but
# points, entries and records are stored once by what they are; the key only spares the looking.
KEYS_LAST = 7 * DAY
CHANGES_LAST = DAY  # a page that was away for longer loads all again

INTERVAL = 60.0  # seconds from one look to the next
CHORE = 0.02  # seconds that one part may take, which is what a delivery may have to wait for
FEWEST, FIRST, MOST = 100, 1000, 5000  # rows of one part: a log entry weighs as much as many points


class Upkeep:
    """A daemon thread that hands the work to the writer in short parts, with a rest after each.

    Args:
        settings: `retain`, `thin_after`, `thin_to`.
        log: takes a line for a person.
    """

    def __init__(
        self, settings: Settings, writer: Writer, store: Store, log: Callable[[str], Any]
    ) -> None:
        self._settings = settings
        self._writer = writer
        self._store = store
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="processor-upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no other part; before the writer is closed, which waits for the one that was begun."""
        self._stop.set()

    def _work(self) -> None:
        while True:
            try:
                self._look()
            except Exception as error:  # a full disk, a locked file: later may be better
                if not self._stop.is_set():
                    self._log(f"primus-lens-wandb: upkeep failed, the next try is in a minute: {error}")
            if self._stop.wait(INTERVAL):
                return

    def _look(self) -> None:
        store, settings = self._store, self._settings
        now = time.time_ns() // 1000
        retain, thin_after = settings.retain, settings.thin_after
        if retain:
            before = now - retain * SECOND
            self._do("removed {} rows of old workloads", lambda rows: _all(store.forget(before, rows)))
        if thin_after:
            old = now - thin_after * SECOND
            told = "removed {} points of ended runs"
            self._do(told, lambda rows: store.thin(old, settings.thin_to, rows))
        keys = now - KEYS_LAST * SECOND
        changes = now - min(CHANGES_LAST, retain or CHANGES_LAST) * SECOND
        self._do("", lambda rows: _all(store.prune(keys, changes, rows)))

    def _do(self, told: str, part: Callable[[int], Thinned]) -> None:
        """Do all parts of something, each about as long as `CHORE`, with a rest after it."""
        removed, rows = 0, FIRST
        begin = time.monotonic()

        def chore() -> tuple[Thinned, float]:
            start = time.monotonic()
            return part(rows), time.monotonic() - start

        while not self._stop.is_set():
            done, seconds = self._writer.run(chore).result()
            if not done.looked_at:
                break
            removed += done.removed
            rows = _fitting(rows, seconds)
            self._stop.wait(4 * seconds if self._writer.waiting else seconds)
        if removed and told:
            took = time.monotonic() - begin
            self._log(f"primus-lens-wandb: upkeep {told.format(f'{removed:,}')} in {took:.1f} s")


def _all(removed: int) -> Thinned:
    """Return what a part came to that removed all it looked at."""
    return Thinned(removed, removed)


def _fitting(rows: int, seconds: float) -> int:
    """Return how many rows the next part should have: twice as many at most."""
    fitting = rows * CHORE / max(seconds, CHORE / 2)
    return int(min(max(fitting, FEWEST), MOST))
