"""What the worker thread computes, and for how long it keeps the GIL from the training thread."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from typing import Any, Callable

from primus_lens_wandb_exporter.delivery.bell import Bell
from primus_lens_wandb_exporter.evidence import Probe

from . import stand_in
from .pairs import Figure, interleave, summarise
from .table import Row
from .workshop import Workshop

TITLE = "Worker thread"

_CALLS = 200  # of five points
_REPEATS = 40
_OURS = "primus-lens-"  # the names of our threads begin so
_WORKER = "primus-lens-wandb"
_GIL_SECONDS = 2.5
_GIL_ROUNDS = 5


def _settle(seconds: float) -> None:
    from primus_lens_wandb_exporter.api_reporter import get_global_reporter

    assert get_global_reporter().flush(seconds), "the processor does not answer"


def _worker_clock() -> int:
    """Return the clock of the CPU time that the worker thread has used."""
    thread = next(thread for thread in threading.enumerate() if thread.name == _WORKER)
    assert thread.ident is not None
    return time.pthread_getcpuclockid(thread.ident)


def worker_cpu(with_orjson: bool) -> list[float]:
    """Return the worker's CPU time (ms) for 1000 points, from its own clock, for each repeat."""
    if not with_orjson:
        sys.modules["orjson"] = None  # type: ignore[assignment]
    stand_in.install()
    run = stand_in.Run()
    run.log(stand_in.STEP)
    _settle(30)
    clock = _worker_clock()
    spent = []
    for _ in range(_REPEATS):
        before = time.clock_gettime_ns(clock)
        for _ in range(_CALLS):
            run.log(stand_in.STEP)
        _settle(30)
        spent.append((time.clock_gettime_ns(clock) - before) / 1e6)
    return spent


def posting_cpu(url: str) -> list[float]:
    """Return the CPU time (ms) in which `requests` alone posts 100 kB, for each repeat."""
    import requests

    session = requests.Session()
    body = b'{"metrics":[' + b",".join([b'"%s"' % (b"x" * 97)] * 1000) + b"]}"
    spent = []
    for _ in range(_REPEATS):
        before = time.thread_time_ns()
        session.post(f"{url}/wandb/metrics", data=body)
        spent.append((time.thread_time_ns() - before) / 1e6)
    return spent


class _Holds:
    """Watches the CPU clocks of our threads between any two places where they let go of the GIL.

    A place that is not known here makes a hold look longer than it is.
    """

    _PLACES: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (time, ("sleep",)),
        (Bell, ("wait", "ring")),  # rings when it ends
        (Probe, ("read_text", "read_bytes", "list_folder")),  # almost all of it the kernel's
        (socket.socket, ("connect", "sendall", "recv_into")),
        (os, ("open", "write", "replace", "unlink", "mkdir", "lstat", "stat", "access", "listdir")),
    )

    def __init__(self) -> None:
        self.longest = 0
        self._since: dict[int, int] = defaultdict(int)  # by thread
        for owner, names in self._PLACES:
            for name in names:
                setattr(owner, name, self._watched(getattr(owner, name)))

    def _watched(self, release: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if not threading.current_thread().name.startswith(_OURS):
                return release(*arguments, **options)
            thread = threading.get_ident()
            self.longest = max(self.longest, time.thread_time_ns() - self._since[thread])
            try:
                return release(*arguments, **options)
            finally:
                self._since[thread] = time.thread_time_ns()

        return call


def longest_hold(warm: bool) -> float:
    """Compute in the main thread, log 200 times a second, and watch where the worker lets go.

    Args:
        warm: whether the run is announced and the first request sent beforehand.

    Returns:
        The largest CPU time (ms) that the worker spent in one go.
    """
    holds = _Holds()
    stand_in.install()
    run = stand_in.Run()
    if warm:
        run.log(stand_in.STEP)
        _settle(30)
        holds.longest = 0
    _log_at(200, run.log, lambda: None)
    return holds.longest / 1e6


def longest_advance() -> float:
    """Log flat out, and return the most (ms) the worker's CPU clock advances between two readings.

    Then it lets go of the GIL when the main thread takes it away, which no place in it can tell.
    """
    stand_in.install()
    run = stand_in.Run()
    run.log(stand_in.STEP)
    _settle(30)
    clock, read = _worker_clock(), time.clock_gettime_ns
    longest, before = 0, read(clock)

    def look() -> None:
        nonlocal longest, before
        used = read(clock)
        longest, before = max(longest, used - before), used

    _log_at(20_000, run.log, look)
    return longest / 1e6


def _log_at(calls_per_second: int, log: Callable[[Any], Any], meanwhile: Callable[[], None]) -> None:
    """Log for some seconds, and never let go of the GIL in between."""
    interval, now = 1e9 / calls_per_second, time.perf_counter_ns
    next_call = now()
    ends = next_call + _GIL_SECONDS * 1e9
    while next_call < ends:
        while now() < next_call:
            meanwhile()
        next_call += interval
        log(stand_in.STEP)


def measure(workshop: Workshop) -> Iterator[Row]:
    """Read the worker's clock, over whole batches and between any two moments."""
    with workshop.processor() as processor:
        environ = processor.environ

        def cpu(with_orjson: bool) -> Figure:
            return summarise(workshop.measure(worker_cpu, with_orjson, environ=environ).result)

        yield Row("CPU for 1000 points, `json`", cpu(with_orjson=False), "ms", 4)
        try:
            import orjson  # noqa: F401
        except ImportError:
            yield Row("CPU for 1000 points: orjson is not installed", None)
        else:
            yield Row("CPU for 1000 points, orjson", cpu(with_orjson=True), "ms", 1.5)
        url = environ["PRIMUS_LENS_API_BASE_URL"]
        posting = workshop.measure(posting_cpu, url, hooked=False, environ=environ).result
        yield Row("`requests` alone, 100 kB", summarise(posting), "ms", peer=True)
        yield from _gil(workshop, environ)


def _gil(workshop: Workshop, environ: dict[str, str]) -> Iterator[Row]:
    def hold(function: Callable[..., float], *given: Any) -> float:
        return float(workshop.measure(function, *given, environ=environ).result)

    thunks = {
        "200 calls/s": partial(hold, longest_hold, True),
        "200 calls/s, from the first call on": partial(hold, longest_hold, False),
        "20 000 calls/s, when losing nothing comes first": partial(hold, longest_advance),
    }
    for (name, longest), budget in zip(interleave(_GIL_ROUNDS, thunks).items(), (0.5, 0.5, None)):
        yield Row(f"longest hold on the GIL, {name}", summarise(longest), "ms", budget)
