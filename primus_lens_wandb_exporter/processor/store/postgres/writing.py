"""What deliveries become in PostgreSQL's tables.

Several replicas write at one time. Each goes through tables and rows in the same order, so that of two
that meet only one waits; what many share, runs and workloads, comes last and is held for a moment.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from .. import Delivery
from ..identity import digest, run_id
from ..pods import gather_pod_runs
from . import statements as sql
from .arrays import columns, integers
from .gathering import Growth, Points, Run, Series, gather_points, gather_runs, measure_growth
from .opening import LOCK, NUMBERING, Connection

DESCRIBED = ("name", "project", "config", "tags", "gpu_name", "gpu_count")


def write_deliveries(connection: Connection, deliveries: Sequence[Delivery]) -> list[bool]:
    """Write deliveries inside the caller's transaction; return for each whether it was new.

    Raises:
        psycopg.Error, OverflowError, UnicodeEncodeError: the transaction is to be rolled back.
    """
    answers = _note_batches(connection, deliveries)
    new = [delivery for delivery, is_new in zip(deliveries, answers) if is_new]
    grown = _add_points(connection, gather_points(new))
    runs = gather_runs(new, grown)
    if runs:
        with connection.pipeline():
            _add_entries(connection, new)
            _add_detections(connection, new)
            _note_series(connection, grown)
            _note_runs(connection, runs)
            _tell_runs(connection, new)
            _note_pods(connection, new)
            _note_workloads(connection, new, runs)
            _add_changes(connection, runs)
    return answers


def _note_batches(connection: Connection, deliveries: Sequence[Delivery]) -> list[bool]:
    """Keep the keys; for one that another replica is just storing this waits until it has done so."""
    received = {delivery.key: delivery.received for delivery in reversed(deliveries)}
    keys = sorted(received)
    rows = connection.execute(sql.ADD_BATCHES, (keys, integers(received[key] for key in keys)))
    new = {key for (key,) in rows}
    answers = []
    for delivery in deliveries:
        answers.append(delivery.key in new)
        new.discard(delivery.key)
    return answers


def _add_points(connection: Connection, points: Mapping[Series, Points]) -> dict[Series, Growth]:
    """Write points; return by how much those series grew in which any was new."""
    ordered = sorted(points)
    rows = [
        (series.id, *place, value)
        for series in ordered
        for place, value in sorted(points[series].items())
    ]
    if not rows:
        return {}
    added: dict[int, int] = dict(connection.execute(sql.ADD_POINTS, columns("iiif", rows)).fetchall())
    return {
        series: measure_growth(points[series], added[series.id])
        for series in ordered
        if series.id in added
    }


def _add_entries(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    rows = sorted(
        (run_id(delivery.workload, delivery.run_id), step, ts, digest(data), delivery.source, data)
        for delivery in deliveries
        for step, ts, data in delivery.entries
    )
    if rows:
        connection.execute(sql.ADD_ENTRIES, columns("iiiitt", rows))


def _add_detections(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Keep the records as they came."""
    rows = [
        (
            run_id(delivery.workload, detection.run_id),
            detection.timestamp,
            digest(detection.evidence, detection.hints),
            delivery.workload,
            delivery.source,
            float(detection.verdict.get("confidence") or 0),
            str(detection.verdict.get("framework") or ""),
            json.dumps(dict(detection.verdict)),
            detection.evidence,
            detection.hints,
        )
        for delivery in deliveries
        for detection in delivery.detections
    ]
    if rows:
        rows.sort(key=lambda row: row[:3])
        connection.execute(sql.ADD_DETECTIONS, columns("iiittftttt", rows))


def _note_series(connection: Connection, grown: Mapping[Series, Growth]) -> None:
    if grown:
        rows = [(*series, *growth) for series, growth in grown.items()]
        connection.execute(sql.NOTE_SERIES, columns("iitttiiiifii", rows))


def _note_runs(connection: Connection, runs: Sequence[Run]) -> None:
    rows = [
        (run.id, run.workload, run.run_id, run.started, run.last_seen, run.points, run.last_step)
        for run in runs
    ]
    connection.execute(sql.NOTE_RUNS, columns("ittiiin", rows))


def _tell_runs(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    """Let runs be as their latest events and records say; the order of their coming does not matter."""
    for delivery in deliveries:
        run = run_id(delivery.workload, delivery.run_id)
        for event in delivery.events:
            statement = sql.BEGIN_RUN if event.kind == "started" else sql.END_RUN
            connection.execute(statement, {**event._asdict(), "run": run})
        for detection in delivery.detections:
            described: dict[str, Any] = {name: getattr(detection, name) for name in DESCRIBED}
            described["framework"] = str(detection.verdict.get("framework") or "")
            described["ts"] = detection.timestamp
            described["run"] = run_id(delivery.workload, detection.run_id)
            connection.execute(sql.DESCRIBE_RUN, described)


def _note_pods(connection: Connection, deliveries: Sequence[Delivery]) -> None:
    rows = gather_pod_runs(deliveries)
    if rows:
        connection.execute(sql.NOTE_POD_RUNS, columns("ittttiitnnnntnn", rows))


def _note_workloads(connection: Connection, deliveries: Sequence[Delivery], runs: Sequence[Run]) -> None:
    seen: dict[str, list[int]] = defaultdict(list)
    for delivery in deliveries:
        seen[delivery.workload].append(delivery.received)
    points = Counter[str]()
    for run in runs:
        points[run.workload] += run.points
    rows = [(uid, min(seen[uid]), max(seen[uid]), points[uid]) for uid in sorted(seen)]
    connection.execute(sql.NOTE_WORKLOADS, columns("tiii", rows))


def _add_changes(connection: Connection, runs: Sequence[Run]) -> None:
    """Number what has changed, one replica after the other until its commit.

    A sequence alone would let number 6 be seen before number 5, and who asks for what came after 6 would
    never see 5. `pg_snapshot_xmin` would hold all of them up for any long transaction in the cluster.
    """
    now = time.time_ns() // 1000
    rows = [(now, run.id, run.first_step, run.last_step) for run in runs if run.points or run.told]
    if rows:
        connection.execute(sql.NUMBER_CHANGES, (LOCK, NUMBERING))
        connection.execute(sql.ADD_CHANGES, columns("iinn", rows))
