"""The one daemon thread that empties the lanes.

It starts at the first item, knows the process it belongs to, and sleeps interruptibly.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any

from .. import guard
from .agenda import Agenda
from .bell import Bell
from .chore import Chore
from .courtesy import give_way
from .departure import Departure
from .envelope import Outcome, Verdict
from .lane import Lane
from .replay import Replay
from .route import Route

_PAUSE_AFTER_FAULT = 1.0
_SECONDS_BETWEEN_STARTS = 5.0
_SECONDS_BETWEEN_REFUSALS = 1.0  # of the spool
_SECONDS_TO_TAKE_OVER = 0.5


class Worker:
    """Empties lanes in turn; all times are in seconds."""

    def __init__(
        self,
        lanes: Sequence[Lane[Any]],
        *,
        agenda: Agenda,
        request_timeout: float,
        retry_timeout: float,
        after_round: Callable[[], None],
        chores: Sequence[Chore] = (),
        replay: Replay | None = None,
    ) -> None:
        self.lanes = lanes
        self.request_timeout = request_timeout
        self.retry_timeout = retry_timeout
        self.after_round = after_round
        self._agenda = agenda
        self._chores = chores
        self._replay = replay
        self.pid = os.getpid()
        self.thread: threading.Thread | None = None  # once it was started
        self._start_failed_at: float | None = None
        self._starting = threading.RLock()
        self._bell = Bell()
        self._flushes: list[Bell] = []
        self._departure: Departure | None = None  # once a stop was asked for
        self._stopping = False  # the thread has seen that
        self._hands = threading.Lock()  # held by whoever moves what is in the lanes
        self._out_on: Route | None = None  # where the thread is while it has let go
        self._relieved = False  # whoever asked for the stop has done the rest
        self._make_room_at = 0.0
        self._progress = 0
        self._in_vain = (0, 0.0)  # a flush at this progress has waited so many seconds for nothing

    # Called by any thread.

    def ensure_running(self) -> None:
        """Start the thread unless it runs; where threads are forbidden, try again now and then."""
        if self.thread is not None or self._departure is not None:
            return
        with self._starting:
            if self.thread is not None:
                return
            now = monotonic()
            failed = self._start_failed_at
            if failed is not None and now - failed < _SECONDS_BETWEEN_STARTS:
                return
            self._start_failed_at = now
            # Made by the same library as the thread, should gevent or its like have come in since.
            self._bell, self._hands = Bell(), threading.Lock()
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
        return self._departure is not None

    def wake(self) -> None:
        """Make the thread look at its lanes now."""
        self._bell.ring()

    def flush(self, timeout: float) -> bool:
        """Wait until all lanes are empty, at most `timeout` and only while the sinks are healthy.

        Returns whether they are empty.
        """
        if self.thread is None or self._departure is not None:
            return self._all_idle()
        done, progress = Bell(), self._progress
        self._flushes.append(done)
        self.wake()
        if not done.wait(timeout):
            with suppress(ValueError):  # the thread may just have noticed it
                self._flushes.remove(done)
            if self._progress == progress:
                self._in_vain = (progress, timeout)
        return self._all_idle()

    def stop(self, patience: float, at_most: float = math.inf) -> None:
        """Empty the lanes and end the thread; what cannot be delivered is put aside or lost.

        Args:
            patience: seconds to wait without progress; what a flush just before has waited counts.
            at_most: seconds to wait in all.
        """
        progress, waited = self._in_vain
        waited = waited if progress == self._progress else 0.0
        departure = self._departure = Departure(patience, at_most, waited)
        self.wake()
        thread = self.thread
        try:
            while thread is not None and thread.is_alive() and departure.seconds_left:
                thread.join(min(0.1, departure.seconds_left))
        finally:  # in a signal handler of a green program nothing may wait
            self._relieve()

    def _relieve(self) -> None:
        """Do the rest, in little time, for a thread that never was or is held up by the network."""
        if not self._hands.acquire(timeout=_SECONDS_TO_TAKE_OVER):
            return
        try:
            self._relieved = True
            until = monotonic() + _SECONDS_TO_TAKE_OVER
            for lane in self.lanes:
                lane.queue.close()
            for lane in self.lanes:
                if lane.route is not self._out_on:  # which holds up all others
                    self._deliver(lane, until)
            for lane in self.lanes:  # last: to put aside on a slow disk may take all the time there is
                lane.give_up("shutdown", until)
        finally:
            self._hands.release()

    def _deliver(self, lane: Lane[Any], until: float) -> None:
        while monotonic() < until:
            envelope = lane.next_envelope()
            if envelope is None:
                return
            outcome = lane.route.send(envelope, _SECONDS_TO_TAKE_OVER, monotonic())
            lane.settle(outcome, self.retry_timeout, halve=False)
            if outcome.verdict is Verdict.RETRY:
                return

    # Called by the worker thread alone.

    def _run(self) -> None:
        with guard.boundary, self._hands:
            self._work()
        with guard.boundary:
            self._finish_flushes()

    def _work(self) -> None:
        alive = True
        while alive:
            with guard.boundary:
                while alive:
                    alive = self._round()
            if alive:  # our own fault, and no reason to leave the lanes alone
                self._bell.wait(_PAUSE_AFTER_FAULT)
                alive = not self._stopping

    def _round(self) -> bool:
        if self._departure is not None and not self._stopping:
            self._begin_stop()
        for lane in self.lanes:
            lane.prepare_for_absence()
        self._make_room()
        self._do_chores()
        # Who stumbles holds up no other; the others take turns, since a route may be open for one alone.
        due = sorted(self._due(), key=lambda lane: (lane.failed_at, lane.served_at))
        for lane in due:
            if lane in self._due():  # the lane before may have found the route broken
                self._serve(lane)
        if self._replay_due_at <= monotonic():
            self._replay_one()
        with guard.boundary:
            self.after_round()
        if self._relieved:
            return False
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

    def _due(self) -> list[Lane[Any]]:
        now, hurried = monotonic(), self._hurried
        return [lane for lane in self.lanes if self._agenda.due_at(lane, hurried=hurried) <= now]

    def _sleep(self) -> None:
        """Sleep until a lane is due, a route opens or somebody calls."""
        until = min(self._agenda.set_wake_marks(), self._replay_due_at, self._chores_due_at)
        self._bell.silence()
        # What came in before is seen here; what comes later rings.
        until = min(until, self._agenda.next_due(hurried=self._hurried))
        if self._departure is None or self._stopping:
            self._wait(max(0.0, until - monotonic()))

    def _serve(self, lane: Lane[Any]) -> None:
        """Send what one taking from the queue yields, or as much of it as goes well."""
        lane.served_at = monotonic()
        while True:
            if self._departure is not None and not self._departure.seconds_left:
                lane.give_up("shutdown")
            envelope = lane.next_envelope()
            if envelope is None:
                return
            lane.prepare_for_absence()
            with self._out_of_hands(lane.route):
                outcome = lane.route.send(envelope, self._timeout(), monotonic())
            if self._relieved:
                return
            give_way()
            lane.settle(outcome, self.retry_timeout, halve=not self._stopping)
            if outcome.verdict is Verdict.RETRY:
                if self._stopping:
                    self._retry_before_exit(lane, outcome)
                return
            if outcome.verdict is Verdict.SENT:
                self._progress += 1
                if self._departure is not None:
                    self._departure.note_progress()
            if not lane.in_hand or (outcome.verdict is not Verdict.SENT and lane.route.is_refusing):
                return

    @contextmanager
    def _out_of_hands(self, route: Route | None = None) -> Iterator[None]:
        """While it lasts, somebody who cannot wait any longer may take over."""
        self._out_on = route
        self._hands.release()
        try:
            yield
        finally:
            self._hands.acquire()
            self._out_on = None

    def _wait(self, seconds: float) -> None:
        with self._out_of_hands():
            self._bell.wait(seconds)

    def _timeout(self) -> float:
        departure = self._departure
        return departure.request_timeout(self.request_timeout) if departure else self.request_timeout

    def _retry_before_exit(self, lane: Lane[Any], outcome: Outcome) -> None:
        assert self._departure is not None
        pause = self._departure.pause_before_retry(outcome)
        if pause is None:
            for other in self.lanes:
                if other.route is lane.route:
                    other.give_up("shutdown")
            return
        self._bell.silence()
        self._wait(pause)
        lane.route.try_once_more()

    def _make_room(self) -> None:
        """Move what waits into the spool when a queue fills up and its route is broken."""
        if monotonic() < self._make_room_at:
            return
        for lane in self.lanes:
            if lane.queue.half_full and not lane.route.healthy:
                lane.put_aside()
                if lane.queue.half_full:  # refused: a full spool need not be read at every log call
                    self._make_room_at = monotonic() + _SECONDS_BETWEEN_REFUSALS

    @property
    def _chores_due_at(self) -> float:
        return min((chore.due_at for chore in self._chores), default=math.inf)

    def _do_chores(self) -> None:
        if self._departure is not None:
            return
        for chore in self._chores:
            if chore.due_at <= monotonic():
                with guard.boundary:
                    chore.perform()
                give_way()

    @property
    def _replay_due_at(self) -> float:
        return math.inf if self._replay is None or self._hurried else self._replay.due_at

    def _replay_one(self) -> None:
        """Send one body from the spool, if the other side is known to be well."""
        assert self._replay is not None
        well = any(lane.spool and lane.route.last_success and lane.route.healthy for lane in self.lanes)
        with guard.boundary, self._out_of_hands():
            self._replay.step(self._timeout(), well=well)

    def _settle_flushes(self) -> None:
        if self._flushes and (
            self._all_idle() or not all(lane.route.healthy for lane in self.lanes if not lane.idle)
        ):
            self._finish_flushes()

    def _finish_flushes(self) -> None:
        while self._flushes:
            self._flushes.pop().ring()

    def _all_idle(self) -> bool:
        return all(lane.idle for lane in self.lanes)
