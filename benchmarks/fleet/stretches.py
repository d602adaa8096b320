"""What is told of one stretch of time: requests, their answers, and what they cost on either side."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..pairs import quantile, summarise
from ..table import Row
from .fleet import Fleet, Logbook
from .pod import ANSWERED, Request
from .replicas import Replica

_SECONDS_BACK = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 60)


class Used(NamedTuple):
    """CPU seconds up to a moment (monotonic seconds)."""

    moment: float
    processors: float
    waited: float  # for a core, by processors that had something to do
    database: float
    pods: float


class Stretch(NamedTuple):
    """A stretch of time in which nothing was done to anybody."""

    title: str
    pods: int
    began: Used
    ended: Used

    def rows(self, logbook: Logbook) -> Iterator[Row]:
        """Tell of it."""
        began, ended = self.began, self.ended
        seconds = ended.moment - began.moment
        requests = logbook.between(began.moment, ended.moment)
        answered = [request for request in requests if request.answer == ANSWERED]
        points = sum(request.points for request in answered)
        size = sum(request.bytes for request in answered)
        count = max(1, len(answered))
        yield _row("requests answered", len(answered) / seconds, "/s")
        yield _row("points", points / seconds, "points/s")
        yield _row("bodies, of one pod", size / seconds / self.pods, "bytes/s")
        yield from _times(requests)
        yield from _other_answers(requests)
        processors = ended.processors - began.processors
        yield _row("processors, of a core", processors / seconds, "")
        yield _row("processors, a request", 1000 * processors / count, "ms")
        yield _row("processors waited for their core", (ended.waited - began.waited) / seconds, "s/s")
        if ended.database:
            database = ended.database - began.database
            yield _row("PostgreSQL, of a core", database / seconds, "")
            yield _row("PostgreSQL, a request", 1000 * database / count, "ms")
        pods = ended.pods - began.pods
        yield _row("pods, of a core", pods / seconds, "")
        yield _row("one pod", 3600 * pods / seconds / self.pods, "CPU s/h")
        yield _row("waits in a pod, at the beginning", logbook.waiting_at(began.moment) / self.pods)
        yield _row("waits in a pod, at the end", logbook.waiting_at(ended.moment) / self.pods)


class Restart(NamedTuple):
    """Processors that went and came back; all in monotonic seconds."""

    title: str
    pods: int
    gone: float  # when they were told to go, or were killed
    back: float
    ended: float

    def rows(self, logbook: Logbook) -> Iterator[Row]:
        """Tell who came back when, and how long it took until no more waited than before."""
        yield _row("away", self.back - self.gone, "s")
        before = logbook.waiting_at(self.gone)
        failed: set[int] = set()
        first: dict[int, float] = {}
        for request in logbook.between(self.gone, self.ended):
            if request.answer != ANSWERED:
                failed.add(request.pod)
            elif request.pod in failed:
                first.setdefault(request.pod, request.ended - self.back)
        yield _row("pods that met it", len(failed), f"of {self.pods}")
        early = sum(moment < 0 for moment in first.values())
        if early:
            yield _row("… first answered before the last processor was back", early, "pods")
        low = 0
        for high in _SECONDS_BACK:
            came = sum(low <= moment < high for moment in first.values())
            if came:
                yield _row(f"… first answered in second {low} to {high}", came, "pods")
            low = high
        never = len(failed) - sum(moment < low for moment in first.values())
        yield _row("… later, or not in this time", never, "pods")
        requests = logbook.between(self.back, self.ended)
        seconds = Counter(int(request.ended - self.back) for request in requests)
        yield _row("most requests in one second", max(seconds.values(), default=0))
        yield from _times(requests)
        yield from _other_answers(logbook.between(self.gone, self.ended))
        yield _row("waits in a pod, before", before / self.pods)
        yield _row("waits in a pod, when they are back", logbook.waiting_at(self.back) / self.pods)
        recovered = _when_down_to(1.1 * before, self, logbook)
        if recovered is None:
            yield Row("until no more waits than before: not in this time", None)
        else:
            yield _row("until no more waits than before", recovered, "s")


class Clock:
    """Reads what was used, and makes stretches of it."""

    def __init__(self, fleet: Fleet, replicas: Sequence[Replica], database: Callable[[], float]) -> None:
        self._fleet, self._replicas, self._database = fleet, replicas, database

    def read(self) -> Used:
        """Return what was used until now."""
        processors = sum(replica.cpu_seconds for replica in self._replicas)
        waited = sum(replica.waited_seconds for replica in self._replicas)
        return Used(time.monotonic(), processors, waited, self._database(), self._fleet.cpu_seconds)

    def stretch(self, title: str, pods: int, during: Callable[[], object]) -> Stretch:
        """Return the stretch of time that something takes."""
        began = self.read()
        during()
        return Stretch(title, pods, began, self.read())


def _when_down_to(waiting: float, restart: Restart, logbook: Logbook) -> float | None:
    for second in range(int(restart.ended - restart.back) + 1):
        if logbook.waiting_at(restart.back + second) <= waiting:
            return second
    return None


def _times(requests: Sequence[Request]) -> Iterator[Row]:
    times = [1000 * request.seconds for request in requests if request.answer == ANSWERED]
    if times:
        yield _row("an answer, p50", quantile(times, 0.5), "ms")
        yield _row("an answer, p99", quantile(times, 0.99), "ms")


def _other_answers(requests: Sequence[Request]) -> Iterator[Row]:
    answers = Counter(request.answer for request in requests)
    for answer, count in sorted(answers.items()):
        if answer != ANSWERED:
            yield _row(f"requests that met `{answer}`", count, f"of {len(requests)}")


def _row(what: str, value: float, unit: str = "") -> Row:
    return Row(what, summarise([value]), unit)
