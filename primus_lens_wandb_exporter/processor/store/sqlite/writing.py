"""What a delivery becomes in SQLite's tables."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from .. import Delivery, Detection
from ..identity import digest, run_id, series_id
from . import statements as sql

Row = tuple[int, int, float, float]  # a row of point
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
    for delivery in deliveries:
        new = _is_new(connection, delivery)
        answers.append(new)
        if new:
            _note_workload(connection, delivery)
            _note_runs(connection, delivery)
            _add_entries(connection, delivery)
            for detection in delivery.detections:
                _add_detection(connection, delivery, detection)
            _collect_points(delivery, points)
    _add_points(connection, points)
    return answers


def _is_new(connection: sqlite3.Connection, delivery: Delivery) -> bool:
    return connection.execute(sql.ADD_BATCH, (delivery.key, delivery.received)).rowcount == 1


def _note_workload(connection: sqlite3.Connection, delivery: Delivery) -> None:
    seen = (delivery.received, delivery.received)
    connection.execute(sql.NOTE_WORKLOAD, (delivery.workload, *seen))
    pod = [delivery.pod.get(key, "") for key in ("pod_uid", "pod_name", "namespace")]
    if any(pod):
        connection.execute(sql.NOTE_POD, (delivery.workload, *pod, *seen))


def _note_runs(connection: sqlite3.Connection, delivery: Delivery) -> None:
    """Note the runs of a delivery: its own and, should they differ, those of its detections."""
    times: dict[str, list[float]] = defaultdict(list)
    for detection in delivery.detections:
        times[detection.run_id].append(detection.timestamp)
    times[delivery.run_id] += [point.timestamp for point in delivery.points]
    times[delivery.run_id] += [entry.timestamp for entry in delivery.entries]
    for run, stamps in times.items():
        started = min(stamps, default=delivery.received)
        row = (run_id(delivery.workload, run), delivery.workload, run, started, delivery.received)
        connection.execute(sql.NOTE_RUN, row)


def _add_entries(connection: sqlite3.Connection, delivery: Delivery) -> None:
    run, source = run_id(delivery.workload, delivery.run_id), delivery.source
    rows = [(run, step, time, source, data, digest(data)) for step, time, data in delivery.entries]
    connection.executemany(sql.ADD_ENTRY, rows)


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
    connection.execute(sql.DESCRIBE_RUN, {**row, **_describe_run(detection)})


class _Run(msgspec.Struct):
    name: str = ""
    project: str = ""
    config: msgspec.Raw = msgspec.Raw(b"{}")
    tags: msgspec.Raw = msgspec.Raw(b"[]")


class _Evidence(msgspec.Struct):
    wandb: _Run = msgspec.field(default_factory=_Run)


_EVIDENCE = msgspec.json.Decoder(_Evidence)


def _describe_run(detection: Detection) -> dict[str, str]:
    """Return what the run says of itself, passing over the rest of the evidence; else empty."""
    try:
        run = _EVIDENCE.decode(detection.evidence or "{}").wandb
    except msgspec.DecodeError:
        run = _Run()
    return {
        "name": run.name,
        "project": run.project,
        "config": bytes(run.config).decode(),
        "tags": bytes(run.tags).decode(),
    }


def _collect_points(delivery: Delivery, points: dict[Series, list[Row]]) -> None:
    """Sort points to their series: one statement for each, whose count of changes is exact."""
    mine: dict[tuple[str, Tags], tuple[int, list[Row]]] = {}
    for name, step, time, value, tags in delivery.points:
        found = mine.get((name, tags))
        if found is None:
            series = Series(delivery.workload, delivery.run_id, delivery.source, name, tags)
            found = mine[name, tags] = (series_id(*series), points[series])
        found[1].append((found[0], step, time, value))


def _add_points(connection: sqlite3.Connection, points: dict[Series, list[Row]]) -> None:
    """Write points, then what the tables above know of those series in which any was new."""
    rows = []
    runs: dict[tuple[str, str], tuple[int, int, int]] = {}  # id, points added, last step
    for series, found in points.items():
        added = connection.executemany(sql.ADD_POINT, found).rowcount
        if added:
            _, steps, times, _ = zip(*found)
            last, whose = max(steps), series[:2]
            tags = json.dumps(dict(series.tags)) if series.tags else "{}"
            extent = (min(steps), last, min(times), max(times))
            run, before, highest = runs.get(whose) or (run_id(*whose), 0, last)
            runs[whose] = (run, before + added, max(highest, last))
            identity = found[0][0]
            rows.append((identity, run, series.name, series.source, tags, *extent, added, identity))
    connection.executemany(sql.NOTE_SERIES, rows)
    for (workload, _), (run, added, last) in runs.items():
        connection.execute(sql.COUNT_IN_RUN, {"added": added, "last": last, "run": run})
        connection.execute(sql.COUNT_IN_WORKLOAD, (added, workload))
