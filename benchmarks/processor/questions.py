"""How long the page's and the service's questions take when there are twelve million points."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import Callable, NamedTuple

from primus_lens_wandb_exporter.processor.store import Delivery, Stored
from primus_lens_wandb_exporter.processor.store.identity import run_id
from primus_lens_wandb_exporter.processor.store.writer import GROUP_POINTS

from ..pairs import interleave, summarise
from ..table import Row
from .databases import Database
from .work import METRICS, POINTS, STARTED, STEPS, points

_ROUNDS = 20
_RAW = "one series of 100 000 points, as it is"  # not down-sampled


class Workload(NamedTuple):
    """A workload and how many steps its only run has."""

    name: str
    steps: int

    @property
    def key(self) -> str:
        """What its run goes by outside."""
        return format(run_id(self.name, "run"), "016x")


LONG = [Workload(f"long-{number}", 100_000) for number in range(10)]
SHORT = [Workload(f"short-{number}", 2_200) for number in range(90)]
TOTAL = sum(workload.steps for workload in LONG + SHORT) * len(METRICS)


def fill(database: Database) -> float:
    """Store all of it, as deliveries that come in turns from all runs; return the seconds it took."""
    store = database.open()
    started = time.monotonic()
    try:
        waiting = _deliveries(LONG + SHORT)
        while group := list(islice(waiting, GROUP_POINTS // POINTS)):
            store.write(group)
    finally:
        store.close()
    return time.monotonic() - started


def _deliveries(workloads: Sequence[Workload]) -> Iterator[Delivery]:
    for step in count(0, STEPS):
        going = [workload for workload in workloads if step < workload.steps]
        if not going:
            return
        for workload in going:
            found = [
                Stored(name, step, int(timestamp * 1e6), value)
                for name, step, timestamp, value in points(step)
            ]
            yield Delivery(
                key=f"{workload.name}-{step}",
                workload=workload.name,
                source="wandb",
                received=(STARTED + step) * 1_000_000,
                run_id="run",
                pod={"pod_name": f"{workload.name}-pod"},
                points=found,
            )


def measure(database: Database) -> Iterator[Row]:
    """Ask a processor that has all of it, each question in turn with the others."""
    with database.serving() as server:
        asker = _Asker(server.url.partition("//")[2])
        times = interleave(_ROUNDS, {name: partial(asker.time, paths) for name, paths in _questions()})
        assert server.stop() == 0
    for name, milliseconds in times.items():
        yield Row(name, summarise(milliseconds), "ms", None if name == _RAW else database.longest_answer)


def _questions() -> Iterator[tuple[str, Callable[[int], str]]]:
    """Yield each question, and the path that asks it the n-th time: of other series than before."""
    compared = ",".join(workload.key for workload in LONG)
    yield (
        "one series of 100 000 points, in 1000 buckets",
        lambda n: f"/series?runs={LONG[n % 10].key}&metric={METRICS[n // 10 % 10]}&buckets=1000",
    )
    yield (
        "comparison of 10 runs, 100 000 points each, in 1000 buckets",
        lambda n: f"/series?runs={compared}&metric={METRICS[n % 10]}&buckets=1000",
    )
    yield "metrics of a run", lambda n: f"/runs/{LONG[n % 10].key}/metrics"
    yield "metrics of a workload", lambda n: f"/workloads/{LONG[n % 10].name}/metrics/available"
    yield "latest of 100 workloads", lambda n: "/workloads?limit=100"
    yield "latest of 100 runs, with state and loss", lambda n: "/runs?limit=100"
    yield (
        _RAW,
        lambda n: f"/workloads/{LONG[n % 10].name}/metrics/data?metrics={METRICS[n // 10 % 10]}",
    )


class _Asker:
    """One connection over which everything is asked."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(address, timeout=60)
        self._asked: dict[Callable[[int], str], int] = {}

    def time(self, path: Callable[[int], str]) -> float:
        """Ask, and return the milliseconds until the answer was there.

        Raises:
            AssertionError: it was refused.
        """
        turn = self._asked[path] = self._asked.get(path, -1) + 1
        started = time.perf_counter()
        self._connection.request("GET", f"/api/v1{path(turn)}")
        answer = self._connection.getresponse()
        content = answer.read()
        elapsed = time.perf_counter() - started
        assert answer.status == 200, content
        return 1000 * elapsed
