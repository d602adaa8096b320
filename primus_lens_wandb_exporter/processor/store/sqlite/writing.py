"""What a delivery becomes in SQLite's tables."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import Delivery, Detection
from ..clocks import earliest
from ..identity import digest, run_id, series_id
from ..pods import gather_pod_runs
from . import statements as sql

Row = tuple[int, int, int, float]  # a row of point
DESCRIBED = ("name", "project", "config", "tags", "gpu_name", "gpu_count")
Tags = tuple[tuple[str, str], ...]


class Series(NamedTuple):
    """What a row of series never changes."""

    workload: str
    run_id: str
    source: str
    name: str
    tags: Tags


def write_deliveries(connection: sqlite3.Connection, deliveries: Sequence[Delivery]) -> list[bool]:
    """Write deliveries inside the caller's transaction; return for each whether it was new.

    Raises:
        sqlite3.Error, OverflowError, UnicodeEncodeError: the transaction is to be rolled back.
    """
    answers = []
    points: dict[Series, list[Row]] = defaultdict(list)
    changed: dict[int, tuple[int | None, int | None]] = {}  # runs: first and last step of new points
    for delivery in deliveries:
        new = _is_new(connection, delivery)
        answers.append(new)
        if new:
            _note_workload(connection, delivery)
            _note_runs(connection, delivery)
            _add_entries(connection, delivery)
            _add_events(connection, delivery)
            for detection in delivery.detections:
                _add_detection(connection, delivery, detection)
            _collect_points(delivery, points)
            changed.update(dict.fromkeys(_runs_of(delivery), (None, None)))
    changed.update(_add_points(connection, points))
    pods = gather_pod_runs(delivery for delivery, new in zip(deliveries, answers) if new)
    connection.executemany(sql.NOTE_POD_RUN, [{**pod._asdict(), "told": pod.told} for pod in pods])
    now = time.time_ns() // 1000
    connection.executemany(sql.ADD_CHANGE, [(now, run, *steps) for run, steps in changed.items()])
    return answers


def _runs_of(delivery: Delivery) -> set[int]:
    """Return the runs of which a delivery says more than points."""
    names = {detection.run_id for detection in delivery.detections}
    if delivery.entries or delivery.events:
        names.add(delivery.run_id)
    return {run_id(delivery.workload, name) for name in names}


def _is_new(connection: sqlite3.Connection, delivery: Delivery) -> bool:
    return connection.execute(sql.ADD_BATCH, (delivery.key, delivery.received)).rowcount == 1


def _note_workload(connection: sqlite3.Connection, delivery: Delivery) -> None:
    seen = (delivery.received, delivery.received)
    connection.execute(sql.NOTE_WORKLOAD, (delivery.workload, *seen))


def _note_runs(connection: sqlite3.Connection, delivery: Delivery) -> None:
    """Note the runs of a delivery: its own and, should they differ, those of its detections."""
    times: dict[str, list[int]] = defaultdict(list)
    for detection in delivery.detections:
        times[detection.run_id].append(detection.timestamp)
    times[delivery.run_id] += [point.timestamp for point in delivery.points]
    times[delivery.run_id] += [entry.timestamp for entry in delivery.entries]
    times[delivery.run_id] += [event.timestamp for event in delivery.events]
    for run, stamps in times.items():
        started = earliest(stamps, delivery.received)
        row = (run_id(delivery.workload, run), delivery.workload, run, started, delivery.received)
        connection.execute(sql.NOTE_RUN, row)


def _add_entries(connection: sqlite3.Connection, delivery: Delivery) -> None:
    run, source = run_id(delivery.workload, delivery.run_id), delivery.source
    rows = [(run, step, ts, source, data, digest(data)) for step, ts, data in delivery.entries]
    connection.executemany(sql.ADD_ENTRY, rows)


def _add_events(connection: sqlite3.Connection, delivery: Delivery) -> None:
    """Let the run be as its latest event says; the order of their coming does not matter."""
    run = run_id(delivery.workload, delivery.run_id)
    for event in delivery.events:
        statement = sql.BEGIN_RUN if event.kind == "started" else sql.END_RUN
        connection.execute(statement, {**event._asdict(), "run": run})


def _add_detection(connection: sqlite3.Connection, delivery: Delivery, detection: Detection) -> None:
    """Keep the record as it came, and let the run be as its latest record describes it."""
    row: dict[str, Any] = {
        "workload": delivery.workload,
        "run": run_id(delivery.workload, detection.run_id),
        "source": delivery.source,
        "ts": detection.timestamp,
        "confidence": float(detection.verdict.get("confidence") or 0),
        "framework": str(detection.verdict.get("framework") or ""),
        "verdict": json.dumps(dict(detection.verdict)),
        "evidence": detection.evidence,
        "hints": detection.hints,
        "digest": digest(detection.evidence, detection.hints),
    }
    connection.execute(sql.ADD_DETECTION, row)
    described = {name: getattr(detection, name) for name in DESCRIBED}
    connection.execute(sql.DESCRIBE_RUN, {**row, **described})


def _collect_points(delivery: Delivery, points: dict[Series, list[Row]]) -> None:
    """Sort points to their series: one statement for each, whose count of changes is exact."""
    mine: dict[tuple[str, Tags], tuple[int, list[Row]]] = {}
    for name, step, ts, value, tags in delivery.points:
        found = mine.get((name, tags))
        if found is None:
            series = Series(delivery.workload, delivery.run_id, delivery.source, name, tags)
            found = mine[name, tags] = (series_id(*series), points[series])
        found[1].append((found[0], step, ts, value))


def _add_points(
    connection: sqlite3.Connection, points: dict[Series, list[Row]]
) -> dict[int, tuple[int, int]]:
    """Write points, then what the tables above know of those series in which any was new.

    Returns the runs of those series, each with first and last step.
    """
    rows = []
    runs: dict[tuple[str, str], tuple[int, int, int, int]] = {}  # id, points added, first and last step
    for series, found in points.items():
        added = connection.executemany(sql.ADD_POINT, found).rowcount
        if added:
            _, steps, times, _ = zip(*found)
            first, last, whose = min(steps), max(steps), series[:2]
            tags = json.dumps(dict(series.tags)) if series.tags else "{}"
            extent = (first, last, min(times), max(times))
            run, before, lowest, highest = runs.get(whose) or (run_id(*whose), 0, first, last)
            runs[whose] = (run, before + added, min(lowest, first), max(highest, last))
            identity = found[0][0]
            rows.append((identity, run, series.name, series.source, tags, *extent, added, identity))
    connection.executemany(sql.NOTE_SERIES, rows)
    for (workload, _), (run, added, _, last) in runs.items():
        connection.execute(sql.COUNT_IN_RUN, {"added": added, "last": last, "run": run})
        connection.execute(sql.COUNT_IN_WORKLOAD, (added, workload))
    return {run: (first, last) for run, _, first, last in runs.values()}
