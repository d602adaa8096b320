"""When each step of a workload was first reported: one statement over its points."""

from __future__ import annotations

import sqlite3
from typing import Any

from .. import Position
from .questions import POINT, place


def ask_iterations(
    connection: sqlite3.Connection,
    workload: str,
    source: str = "",
    start: int | None = None,
    end: int | None = None,
    limit: int = 1_000_000,
    after: Position | None = None,
) -> list[dict[str, Any]]:
    """Answer `Store.iterations`: of each step the earliest report, of equals the first source's name.

    A step's target is the value that the metric `target_iteration` had there last.
    """
    rows = connection.execute(
        "WITH report AS ("
        "  SELECT step, ts, value, source, series.name"
        "  FROM run JOIN series ON series.run = run.id JOIN point ON series_id = series.id"
        "  WHERE workload = :workload AND (:source = '' OR source = :source)"
        "  AND (:start IS NULL OR (last_ts >= :start AND ts >= :start))"
        "  AND (:end IS NULL OR (first_ts <= :end AND ts <= :end))"
        "), of_source AS (SELECT step, source, min(ts) AS ts FROM report GROUP BY step, source),"
        " first AS (SELECT * FROM ("
        "  SELECT *, row_number() OVER (PARTITION BY step ORDER BY ts, source) AS place FROM of_source"
        ") WHERE place = 1),"
        " target AS (SELECT * FROM ("
        "  SELECT step, value, row_number() OVER (PARTITION BY step ORDER BY ts DESC, source) AS place"
        "  FROM report WHERE name = 'target_iteration'"
        ") WHERE place = 1), row AS ("
        "  SELECT 'iteration' AS name, CAST(step AS REAL), ts, step, source FROM first"
        "  UNION ALL SELECT 'target_iteration', value, first.ts, step, source"
        "  FROM target JOIN first USING (step)"
        ") SELECT * FROM row WHERE :after IS NULL OR (ts, name, step) > (:after, :name, :step)"
        " ORDER BY ts, name, step LIMIT :limit",
        {
            "workload": workload,
            "source": source,
            "start": start,
            "end": end,
            "limit": limit,
            **place(after),
        },
    )
    return [dict(zip(POINT, row)) for row in rows]
