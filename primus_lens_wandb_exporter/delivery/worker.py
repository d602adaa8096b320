"""The one daemon thread that empties the lanes.

It starts at the first item, knows the process it belongs to, and sleeps interruptibly. When a lane
is due: `batch_size` items wait, or `flush_interval` has passed, or the lane is immediate, or somebody
waits for the queues to be empty; and its route is open.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any

from .. import guard
from .courtesy import give_way
from .envelope import Outcome, Verdict
from .lane import Lane

_EXIT_UNREACHABLE = 0.8  # seconds for a last word when nothing answers
_EXIT_PAUSE = 0.4
_DRAIN_FACTOR = (
    4  # while things go well, an exit takes at most this many times the time without progress
)
_EXIT_MARGIN = 0.1  # for what an exit does besides
_PAUSE_AFTER_FAULT = 1.0
_SHORTEST_TIMEOUT = 0.1
_SECONDS_BETWEEN_STARTS = 5.0


class Worker:
    """Empties lanes in the order given; all times are in seconds."""

    def __init__(
        self,
        lanes: Sequence[Lane[Any]],
        *,
        batch_size: int,
        flush_interval: float,
        request_timeout: float,
        retry_timeout: float,
        after_round: Callable[[], None],
    ) -> None:
        self.lanes = lanes
        self.batch_size = batch_size
        self.flush_interval = flush_interval
        self.request_timeout = request_timeout
        self.retry_timeout = retry_timeout
        self.after_round = after_round
        self.pid = os.getpid()
        self.thread: threading.Thread | None = None  # once it was started
        self._start_failed_at: float | None = None
        self._starting = threading.RLock()
        self._wake = threading.Event()
        self._flushes: list[threading.Event] = []
        self._stop_at: float | None = None  # monotonic time by which a stop was asked for
        self._exit_budget = 0.0
        self._give_up_at = math.inf
        self._stopping = False  # the thread has seen that a stop was asked for
        self._stopped = threading.Event()
        self._progress = 0
        self._in_vain = (0, 0.0)  # a flush at this progress has waited so many seconds for nothing

    # Called by any thread.

    def ensure_running(self) -> None:
        """Start the thread unless it runs; where threads are forbidden, try again now and then."""
        if self.thread is not None or self._stop_at is not None:
            return
        with self._starting:
            if self.thread is not None:
                return
            now = monotonic()
            failed = self._start_failed_at
            if failed is not None and now - failed < _SECONDS_BETWEEN_STARTS:
                return
            self._start_failed_at = now
            thread = threading.Thread(target=self._run, name="primus-lens-wandb", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # as many as the system allows; what waits, waits on
                guard.debug(guard.REPORTER_PREFIX, f"cannot start: {error}")
                return
            self.thread = thread

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stop_at is not None

    def wake(self) -> None:
        """Make the thread look at its lanes now."""
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, timeout: float) -> bool:
        """Wait until all lanes are empty, at most `timeout` and only while the sinks are healthy.

        Returns whether they are empty.
        """
        if self.thread is None or self._stop_at is not None:
            return self._all_idle()
        done, progress = threading.Event(), self._progress
        self._flushes.append(done)
        self.wake()
        if not done.wait(timeout) and self._progress == progress:
            self._in_vain = (progress, timeout)
        return self._all_idle()

    def stop(self, timeout: float) -> None:
        """Empty the lanes and end the thread; give up after `timeout` without progress.

        What a flush just before has waited without progress counts. Once stopped it stays stopped.
        """
        self._exit_budget = timeout
        self._give_up_at = monotonic() + _DRAIN_FACTOR * timeout
        self._stop_at = monotonic()
        self.wake()
        thread = self.thread
        if thread is None:  # nothing was ever accepted, or no thread could be had
            for lane in self.lanes:
                lane.queue.close()
                lane.drop_rest("shutdown")
            return
        progress, waited = self._in_vain
        timeout -= min(timeout, _EXIT_MARGIN)
        deadline = monotonic() + timeout - (waited if progress == self._progress else 0.0)
        progress = self._progress
        while not self._stopped.wait(min(0.1, max(0.0, deadline - monotonic()))):
            if self._progress != progress:
                progress, deadline = self._progress, monotonic() + timeout
            if monotonic() >= min(deadline, self._give_up_at):
                return

    # Called by the worker thread alone.

    def _run(self) -> None:
        alive = True
        while alive:
            with guard.boundary:
                while alive:
                    alive = self._round()
            if alive:  # our own fault, and no reason to leave the lanes alone
                self._wake.wait(_PAUSE_AFTER_FAULT)
                self._wake.clear()
                alive = not self._stopping
        self._stopped.set()
        self._finish_flushes()

    def _round(self) -> bool:
        if self._stop_at is not None and not self._stopping:
            self._begin_stop()
        due = [lane for lane in self.lanes if self._due_at(lane) <= monotonic()]
        for lane in due:
            if self._due_at(lane) <= monotonic():  # the lane before may have found the route broken
                self._serve(lane)
        with guard.boundary:
            self.after_round()
        if due:
            return True
        if self._stopping and self._all_idle():
            return False
        self._settle_flushes()
        self._sleep()
        return True

    def _begin_stop(self) -> None:
        self._stopping = True
        for lane in self.lanes:
            lane.queue.close()
            lane.route.try_once_more()

    @property
    def _hurried(self) -> bool:
        return self._stopping or bool(self._flushes)

    def _due_at(self, lane: Lane[Any]) -> float:
        if lane.idle:
            return math.inf
        queue, hurried = lane.queue, self._hurried
        ready = 0.0
        if not (lane.in_hand or hurried or len(queue) >= self._enough(lane)):
            ready = queue.waiting_from() + self.flush_interval
        open_at = lane.route.open_at(crowded=queue.half_full, hurried=hurried or lane.immediate)
        return max(ready, open_at)

    def _enough(self, lane: Lane[Any]) -> int:
        """Return how many waiting items are worth a request."""
        return 1 if lane.immediate else min(self.batch_size, lane.queue.half)

    def _sleep(self) -> None:
        """Sleep until a lane is due, a route opens or somebody calls."""
        now = monotonic()
        until = now + self.flush_interval
        for lane in self.lanes:
            opens_at = lane.route.open_at(crowded=False, hurried=False)
            lane.wake_at = self._enough(lane)
            if opens_at > now and not lane.immediate:  # only a crowd is let in earlier
                lane.wake_at = lane.queue.half
                until = min(until, opens_at)
        self._wake.clear()
        # What came in before the event was cleared is seen here; what comes later sets it.
        until = min(until, *(self._due_at(lane) for lane in self.lanes))
        if self._stop_at is None or self._stopping:
            self._wake.wait(max(0.0, until - monotonic()))

    def _serve(self, lane: Lane[Any]) -> None:
        """Send what one taking from the queue yields, or as much of it as goes well."""
        while True:
            if monotonic() >= self._give_up_at:
                lane.drop_rest("shutdown")
            envelope = lane.next_envelope()
            if envelope is None:
                return
            outcome = lane.route.send(envelope, self._timeout(), monotonic())
            give_way()
            lane.settle(outcome, self.retry_timeout, halve=not self._stopping)
            if outcome.verdict is Verdict.RETRY:
                if self._stopping:
                    self._retry_before_exit(lane, outcome)
                return
            if outcome.verdict is Verdict.SENT:
                self._progress += 1
            if not lane.in_hand:
                return

    def _timeout(self) -> float:
        if self._stop_at is None:
            return self.request_timeout
        return max(_SHORTEST_TIMEOUT, min(self.request_timeout, self._exit_budget))

    def _retry_before_exit(self, lane: Lane[Any], outcome: Outcome) -> None:
        assert self._stop_at is not None
        budget = self._exit_budget
        if outcome.unreachable:
            budget = min(budget, _EXIT_UNREACHABLE)
        pause = _EXIT_PAUSE if outcome.unreachable else 1.0
        if monotonic() + pause - self._stop_at >= budget:
            for other in self.lanes:
                if other.route is lane.route:
                    other.drop_rest("shutdown")
            return
        self._wake.clear()
        self._wake.wait(pause)
        lane.route.try_once_more()

    def _settle_flushes(self) -> None:
        if self._flushes and (
            self._all_idle() or not all(lane.route.healthy for lane in self.lanes if not lane.idle)
        ):
            self._finish_flushes()

    def _finish_flushes(self) -> None:
        while self._flushes:
            self._flushes.pop().set()

    def _all_idle(self) -> bool:
        return all(lane.idle for lane in self.lanes)
