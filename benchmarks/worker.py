"""What the worker thread computes, and for how long it keeps the GIL from the training thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from functools import partial

from . import stand_in
from .pairs import Figure, interleave, summarise
from .table import Row
from .workshop import Workshop

TITLE = "Worker thread"

_CALLS = 200  # of five points
_REPEATS = 40
_GIL_SECONDS = 2.5
_GIL_ROUNDS = 5


def _settle(seconds: float) -> None:
    from primus_lens_wandb_exporter.api_reporter import get_global_reporter

    assert get_global_reporter().flush(seconds), "the processor does not answer"


def _worker_clock() -> int:
    """Return the clock of the CPU time that the worker thread has used."""
    thread = next(thread for thread in threading.enumerate() if thread.name == "primus-lens-wandb")
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


def longest_holds(calls_per_second: int, warm: bool) -> float:
    """Compute in the main thread, logging now and then, and watch the worker's CPU clock.

    The main thread never lets go of the GIL by itself. What the worker's clock advances between two
    readings is what it computed while the main thread stood still, whatever else the machine does.

    Args:
        calls_per_second: how often the hooked stand-in is called.
        warm: whether the run is announced and `requests` imported beforehand.

    Returns:
        The largest advance, in ms.
    """
    stand_in.install()
    run = stand_in.Run()
    run.log(stand_in.STEP)
    clock = _worker_clock()
    if warm:
        _settle(30)
    interval = 1e9 / calls_per_second
    read, now = time.clock_gettime_ns, time.perf_counter_ns
    longest = 0
    before = read(clock)
    started = next_call = now()
    ends = started + _GIL_SECONDS * 1e9
    while next_call < ends:
        while now() < next_call:
            used = read(clock)
            if used - before > longest:
                longest = used - before
            before = used
        next_call += interval
        run.log(stand_in.STEP)
    return longest / 1e6


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
    variants = {
        "200 calls/s": (200, True),
        "200 calls/s, from the first call on": (200, False),
        "flat out, 20 000 calls/s": (20_000, True),
    }

    def hold(calls_per_second: int, warm: bool) -> float:
        result = workshop.measure(longest_holds, calls_per_second, warm, environ=environ).result
        return float(result)

    thunks = {name: partial(hold, *given) for name, given in variants.items()}
    for name, longest in interleave(_GIL_ROUNDS, thunks).items():
        yield Row(f"longest hold on the GIL, {name}", summarise(longest), "ms", 0.5)
