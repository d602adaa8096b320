"""What deliveries hold, brought together: a row for each thing that they speak of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .. import Delivery
from ..clocks import earliest
from ..identity import run_id, series_id

Points = dict[tuple[int, int], float]  # by step and time


class Series(NamedTuple):
    """What a row of series never changes."""

    id: int
    run: int
    name: str
    source: str
    tags: str  # JSON


class Growth(NamedTuple):
    """What points bring to a series in which so many of them are new."""

    first_step: int
    last_step: int
    first_ts: int
    last_ts: int
    last_value: float
    last_value_ts: int
    added: int


@dataclass
class Run:
    """What deliveries say of a run."""

    id: int
    workload: str
    run_id: str
    started: int
    last_seen: int
    told: bool = False  # more than points
    points: int = 0  # that were new, and their first and last step
    first_step: int | None = None
    last_step: int | None = None

    def grow(self, growth: Growth) -> None:
        """Add what one of its series has grown by."""
        steps = [step for step in (self.first_step, self.last_step) if step is not None]
        self.first_step = min([growth.first_step, *steps])
        self.last_step = max([growth.last_step, *steps])
        self.points += growth.added


def gather_points(deliveries: Iterable[Delivery]) -> dict[Series, Points]:
    """Return the distinct points of each series; of several at one step and time the first stays."""
    gathered: dict[Series, Points] = defaultdict(dict)
    for delivery in deliveries:
        mine: dict[tuple[str, tuple[tuple[str, str], ...]], Points] = {}
        whose = delivery.workload, delivery.run_id, delivery.source
        for name, step, ts, value, tags in delivery.points:
            found = mine.get((name, tags))
            if found is None:
                series = Series(
                    series_id(*whose, name, tags),
                    run_id(*whose[:2]),
                    name,
                    delivery.source,
                    json.dumps(dict(tags)),
                )
                found = mine[name, tags] = gathered[series]
            found.setdefault((step, ts), value)
    return gathered


def measure_growth(points: Points, added: int) -> Growth:
    """Return what points add to their series, of which so many were new."""
    last_step, last_value_ts = last = max(points)
    times = [ts for _, ts in points]
    return Growth(min(points)[0], last_step, min(times), max(times), points[last], last_value_ts, added)


def gather_runs(deliveries: Iterable[Delivery], grown: Mapping[Series, Growth]) -> list[Run]:
    """Return the runs by number: those of deliveries and, should they differ, of their detections."""
    runs: dict[int, Run] = {}
    for delivery in deliveries:
        times: dict[str, list[int]] = defaultdict(list)
        for detection in delivery.detections:
            times[detection.run_id].append(detection.timestamp)
        told = set(times)
        times[delivery.run_id] += [
            thing.timestamp
            for things in (delivery.points, delivery.entries, delivery.events)
            for thing in things
        ]
        if delivery.entries or delivery.events:
            told.add(delivery.run_id)
        for name, stamps in times.items():
            started = earliest(stamps, delivery.received)
            number = run_id(delivery.workload, name)
            new = Run(number, delivery.workload, name, started, delivery.received)
            run = runs.setdefault(number, new)
            run.started = min(run.started, started)
            run.last_seen = max(run.last_seen, delivery.received)
            run.told = run.told or name in told
    for series, growth in grown.items():
        runs[series.run].grow(growth)
    return [runs[number] for number in sorted(runs)]
