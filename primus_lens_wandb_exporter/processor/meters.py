"""What the processor counts of itself, for Prometheus; each app has its own registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

_PREFIX = "primus_lens_processor_"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Count(NamedTuple):
    """What is counted elsewhere; what reads None is not shown."""

    name: str
    help: str
    read: Callable[[], float | None]
    falls: bool = False  # a gauge


class Meters:
    """The counters, and the text of all of them."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, queue: Callable[[], float], counts: Iterable[Count] = ()) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # as many lines again, which nobody asks for
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            _PREFIX + "requests",
            "Requests by path and status.",
            ["method", "path", "status"],
            registry=registry,
        )
        self.refusals = Counter(
            _PREFIX + "refusals", "Refused requests by reason.", ["reason"], registry=registry
        )
        self.points = Counter(
            _PREFIX + "points_stored", "Points of bodies that were new.", registry=registry
        )
        self.duplicates = Counter(
            _PREFIX + "duplicates", "Deliveries that had been stored before.", registry=registry
        )
        self.commit_seconds = Histogram(
            _PREFIX + "commit_seconds",
            "Seconds from taking a delivery to its commit.",
            buckets=_SECONDS,
            registry=registry,
        )
        gauge = Gauge(_PREFIX + "queue", "Bodies that wait for the writer.", registry=registry)
        gauge.set_function(queue)
        registry.register(_Counts(tuple(counts)))

    def text(self) -> bytes:
        """Return all of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Counts(Collector):
    def __init__(self, counts: tuple[Count, ...]) -> None:
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        for count in self._counts:
            value = count.read()
            if value is not None:
                family = GaugeMetricFamily if count.falls else CounterMetricFamily
                yield family(_PREFIX + count.name, count.help, value)
