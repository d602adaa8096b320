"""The one thread that writes: what waits goes into one transaction, and is answered after its commit."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from . import Busy, Delivery, Full, Store, StoreError

GROUP_POINTS = (
    20_000  # or entries: about 0.1 s of writing, which is what an answer may wait for the one before
)

TROUBLE_LASTS = 30  # seconds; who is sent nothing while in trouble would never find out that it is over

Waiting = tuple[Delivery, "Future[bool]"]
Answer = TypeVar("Answer")
Chore = Callable[[], Any]  # what is to be done between two groups


class Writer:
    """Stores deliveries in groups, in the order of their coming.

    Args:
        store: where to; nobody else may write by it.
        capacity: how many bodies may wait.

    Attributes:
        commits: transactions that were committed.
        failures: deliveries that could not be stored.
        stored: deliveries that were new.
        points: points of the new deliveries.
        commit_seconds: spent in the store altogether, failures included.
        last_commit_seconds: the same, of the last transaction.
    """

    def __init__(self, store: Store, capacity: int = 256) -> None:
        self.commits = self.failures = self.stored = self.points = 0
        self.commit_seconds = self.last_commit_seconds = 0.0
        self._store = store
        self._queue: queue.SimpleQueue[list[Waiting] | Chore] = queue.SimpleQueue()
        self._capacity = capacity
        self._trouble: tuple[float, Exception] | None = None
        self._lock = threading.Lock()
        self._closed = self._ended = False
        self._thread = threading.Thread(target=self._work, name="processor-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many bodies wait, those that are being written not counted."""
        return self._queue.qsize()

    @property
    def is_full(self) -> bool:
        """Whether no more may wait."""
        return self._queue.qsize() >= self._capacity

    @property
    def trouble(self) -> Exception | None:
        """Why the store takes nothing (Full, StoreError); None: it does, or it is time to try again."""
        met = self._trouble
        return met[1] if met and time.monotonic() - met[0] < TROUBLE_LASTS else None

    def submit(self, delivery: Delivery) -> Future[bool]:
        """Hand over a delivery alone; see `submit_together`."""
        return self.submit_together([delivery])[0]

    def submit_together(self, deliveries: Sequence[Delivery]) -> list[Future[bool]]:
        """Hand over what one body brought; it takes one place, however much that is.

        The futures answer after the commit: True for new, False for known. They raise what `Store.write`
        raises, and cannot be cancelled.

        Raises:
            Busy: the queue is full, or closed; nothing was taken.
        """
        futures: list[Future[bool]] = [Future() for _ in deliveries]
        for future in futures:
            future.set_running_or_notify_cancel()  # a client that went away has still delivered
        with self._lock:
            if self._closed:
                raise Busy("the processor is stopping")
            if self.is_full:
                raise Busy(f"{self._capacity} bodies wait to be stored")
            if futures:
                self._queue.put(list(zip(deliveries, futures)))
        return futures

    def run(self, chore: Callable[[], Answer]) -> Future[Answer]:
        """Let the thread that writes do something else, after what waits now; the future answers for it.

        Raises:
            Busy: the writer is closed.
        """
        future: Future[Answer] = Future()

        def perform() -> None:
            try:
                future.set_result(chore())
            except BaseException as error:
                future.set_exception(error)

        with self._lock:
            if self._closed:
                raise Busy("the processor is stopping")
            self._queue.put(perform)
        return future

    def close(self, timeout: float | None = None) -> bool:
        """Take no more, store what waits, and return whether that was done within `timeout` seconds."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(self._end)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _end(self) -> None:
        self._ended = True

    def _work(self) -> None:
        while not self._ended:
            group, chore = self._next_group()
            if group:
                self._store_group(group)
            if chore:
                chore()

    def _next_group(self) -> tuple[list[Waiting], Chore | None]:
        """Wait for a delivery and return it with all that waits behind it, up to a chore, and that."""
        group: list[Waiting] = []
        count = 0
        item = self._queue.get()
        while isinstance(item, list):
            group += item
            count += sum(delivery.count for delivery, _ in item)
            if count >= GROUP_POINTS:
                return group, None
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, None
        return group, item

    def _store_group(self, group: list[Waiting]) -> None:
        """Store a group; one with a bad delivery is stored one by one, so the others go through."""
        try:
            answers = self._write([delivery for delivery, _ in group])
        except Exception as error:
            if len(group) > 1 and not isinstance(error, (Full, StoreError)):
                for item in group:
                    self._store_group([item])
                return
            if isinstance(error, (Full, StoreError)):
                self._trouble = time.monotonic(), error
            self.failures += len(group)
            for _, future in group:
                future.set_exception(error)
            return
        for (delivery, future), new in zip(group, answers):
            self.stored += new
            self.points += len(delivery.points) if new else 0
            future.set_result(new)

    def _write(self, deliveries: list[Delivery]) -> list[bool]:
        start = time.monotonic()
        try:
            answers = self._store.write(deliveries)
            self.commits += 1
            self._trouble = None
            return answers
        finally:
            self.last_commit_seconds = time.monotonic() - start
            self.commit_seconds += self.last_commit_seconds
