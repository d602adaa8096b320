"""The questions to the SQLite store, each one statement or two; times are Unix microseconds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from .. import Position
from ..pods import quiet
from ..rows import WORKLOAD, show_detection
from .pod_questions import COUNTS, WITH_SILENT

POINT = ("metric_name", "value", "timestamp", "iteration", "data_source", "run_id", "series")

SEARCH = """
    :search = '' OR uid LIKE :like ESCAPE '!'
    OR EXISTS (SELECT 1 FROM pod_run WHERE workload = uid AND pod_name LIKE :like ESCAPE '!')
    OR EXISTS (
        SELECT 1 FROM run WHERE workload = uid AND (
            run_id LIKE :like ESCAPE '!' OR name LIKE :like ESCAPE '!' OR project LIKE :like ESCAPE '!'
        )
    )
"""

PAGE = f"""
SELECT
    uid,
    ifnull((SELECT framework FROM detection WHERE workload = uid
            ORDER BY confidence DESC, ts DESC, id DESC LIMIT 1), ''),
    (SELECT count(*) FROM run WHERE workload = uid AND run_id <> ''),
    points, first_seen, last_seen, {COUNTS}
FROM (
    SELECT * FROM workload WHERE {{chosen}} ORDER BY last_seen DESC, uid LIMIT :limit OFFSET :offset
)
ORDER BY last_seen DESC, uid
"""


def ask_detection(connection: sqlite3.Connection, workload: str) -> dict[str, Any] | None:
    """Answer `Store.detection`."""
    row = connection.execute(
        "SELECT verdict, confidence, framework, ts FROM detection WHERE workload = ?"
        " ORDER BY confidence DESC, ts DESC, id DESC LIMIT 1",
        (workload,),
    ).fetchone()
    return None if row is None else show_detection(row)


def ask_sources(connection: sqlite3.Connection, workload: str) -> list[dict[str, Any]]:
    """Answer `Store.sources`."""
    rows = connection.execute(
        "SELECT source, sum(count) FROM run JOIN series ON series.run = run.id WHERE workload = ?"
        " GROUP BY source ORDER BY source",
        (workload,),
    )
    return [{"name": source, "count": count} for source, count in rows]


def ask_available(
    connection: sqlite3.Connection, workload: str, source: str = ""
) -> list[dict[str, Any]]:
    """Answer `Store.available`."""
    rows = connection.execute(
        "SELECT name, json_group_array(source), sum(count) FROM ("
        "  SELECT series.name, source, sum(count) AS count FROM run JOIN series ON series.run = run.id"
        "  WHERE workload = :workload AND (:source = '' OR source = :source)"
        "  GROUP BY series.name, source ORDER BY series.name, source"
        ") GROUP BY name ORDER BY name",
        {"workload": workload, "source": source},
    )
    return [
        {"name": name, "data_source": json.loads(found), "count": count} for name, found, count in rows
    ]


def ask_points(
    connection: sqlite3.Connection,
    workload: str,
    source: str = "",
    names: Sequence[str] = (),
    start: int | None = None,
    end: int | None = None,
    limit: int = 1_000_000,
    after: Position | None = None,
) -> list[dict[str, Any]]:
    """Answer `Store.points`; series that lie outside the bounds are not read."""
    rows = connection.execute(
        "SELECT series.name, value, ts, step, source, run_id, series_id"
        " FROM run JOIN series ON series.run = run.id JOIN point ON series_id = series.id"
        " WHERE workload = :workload AND (:source = '' OR source = :source)"
        " AND (:names = '[]' OR series.name IN (SELECT value FROM json_each(:names)))"
        " AND (:start IS NULL OR (last_ts >= :start AND ts >= :start))"
        " AND (:end IS NULL OR (first_ts <= :end AND ts <= :end))"
        " AND (:after IS NULL OR (last_ts >= :after AND"
        "  (ts, series.name, step, series_id) > (:after, :name, :step, :series)))"
        " ORDER BY ts, series.name, step, series_id LIMIT :limit",
        {
            "workload": workload,
            "source": source,
            "names": json.dumps(list(names)),
            "start": start,
            "end": end,
            "limit": limit,
            **place(after),
        },
    )
    return [dict(zip(POINT, row)) for row in rows]


def place(after: Position | None) -> dict[str, Any]:
    """Return the parameters `after`, `name`, `step`, `series` of a statement; None: from the first."""
    return dict(zip(("after", "name", "step", "series"), after or (None,) * 4))


def ask_workloads(
    connection: sqlite3.Connection,
    now: int,
    search: str = "",
    limit: int = 100,
    offset: int = 0,
    *,
    silent: bool = False,
    since: int | None = None,
) -> dict[str, Any]:
    """Answer `Store.workloads`; framework, runs and pods are looked up for the page alone."""
    asked = {**like(search), **quiet(now, since), "limit": limit, "offset": offset}
    chosen = f"({SEARCH}) AND {WITH_SILENT}" if silent else SEARCH
    (total,) = connection.execute(f"SELECT count(*) FROM workload WHERE {chosen}", asked).fetchone()
    rows = connection.execute(PAGE.format(chosen=chosen), asked)
    return {"workloads": [dict(zip(WORKLOAD, row)) for row in rows], "total_count": total}


def like(search: str) -> dict[str, str]:
    """Return the parameters `search` and `like` of a statement that says `LIKE :like ESCAPE '!'`."""
    pattern = search.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return {"search": search, "like": f"%{pattern}%"}
