"""The service's questions to PostgreSQL, each one statement or two; times are Unix microseconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import Position
from ..pods import quiet
from ..rows import WORKLOAD, show_detection
from .opening import Connection
from .pod_questions import COUNTS, WITH_SILENT

POINT = ("metric_name", "value", "timestamp", "iteration", "data_source", "run_id", "series")

OF_WORKLOAD = """
run.workload = %(workload)s AND (%(source)s::text = '' OR source = %(source)s)
"""

IN_TIME = """
(%(start)s::bigint IS NULL OR (last_ts >= %(start)s AND ts >= %(start)s))
AND (%(end)s::bigint IS NULL OR (first_ts <= %(end)s AND ts <= %(end)s))
"""

POINTS = f"""
SELECT series.name, value, ts, step, source, run_id, series_id
FROM run JOIN series ON series.run = run.id JOIN point ON series_id = series.id
WHERE {OF_WORKLOAD} AND {IN_TIME}
AND (%(names)s::text[] = '{{}}' OR series.name = ANY(%(names)s::text[]))
AND (%(after)s::bigint IS NULL OR (last_ts >= %(after)s
    AND (ts, series.name, step, series_id) > (%(after)s, %(name)s, %(step)s, %(series)s)))
ORDER BY ts, series.name, step, series_id LIMIT %(limit)s
"""

ITERATIONS = f"""
WITH report AS NOT MATERIALIZED (
    SELECT step, ts, value, source, series.name
    FROM run JOIN series ON series.run = run.id JOIN point ON series_id = series.id
    WHERE {OF_WORKLOAD} AND {IN_TIME}
), of_source AS (
    SELECT step, source, min(ts) AS ts FROM report GROUP BY step, source
), earliest AS (
    SELECT DISTINCT ON (step) step, ts, source FROM of_source ORDER BY step, ts, source
), target AS (
    SELECT DISTINCT ON (step) step, value FROM report WHERE name = 'target_iteration'
    ORDER BY step, ts DESC, source
), reported AS (
    SELECT 'iteration' COLLATE "C" AS name, step::double precision AS value, ts, step, source
    FROM earliest
    UNION ALL SELECT 'target_iteration', value, earliest.ts, step, source
    FROM target JOIN earliest USING (step)
)
SELECT * FROM reported
WHERE %(after)s::bigint IS NULL OR (ts, name, step) > (%(after)s, %(name)s, %(step)s)
ORDER BY ts, name, step LIMIT %(limit)s
"""

SEARCH = """
%(search)s::text = '' OR uid ILIKE %(like)s ESCAPE '!'
OR EXISTS (SELECT FROM pod_run WHERE workload = uid AND pod_name ILIKE %(like)s ESCAPE '!')
OR EXISTS (
    SELECT FROM run WHERE workload = uid AND (
        run_id ILIKE %(like)s ESCAPE '!' OR name ILIKE %(like)s ESCAPE '!'
        OR project ILIKE %(like)s ESCAPE '!'
    )
)
"""

PAGE = f"""
SELECT
    uid,
    coalesce((SELECT framework FROM detection WHERE workload = uid
              ORDER BY confidence DESC, ts DESC, id DESC LIMIT 1), ''),
    (SELECT count(*) FROM run WHERE workload = uid AND run_id <> ''),
    points, first_seen, last_seen, {COUNTS}
FROM (
    SELECT * FROM workload WHERE {{chosen}}
    ORDER BY last_seen DESC, uid LIMIT %(limit)s OFFSET %(offset)s
) AS page
ORDER BY last_seen DESC, uid
"""


def ask_detection(connection: Connection, workload: str) -> dict[str, Any] | None:
    """Answer `Store.detection`."""
    row = connection.execute(
        "SELECT verdict, confidence, framework, ts FROM detection WHERE workload = %s"
        " ORDER BY confidence DESC, ts DESC, id DESC LIMIT 1",
        (workload,),
    ).fetchone()
    return None if row is None else show_detection(row)


def ask_sources(connection: Connection, workload: str) -> list[dict[str, Any]]:
    """Answer `Store.sources`."""
    rows = connection.execute(
        "SELECT source, sum(count)::bigint FROM run JOIN series ON series.run = run.id"
        " WHERE workload = %s GROUP BY source ORDER BY source",
        (workload,),
    )
    return [{"name": source, "count": count} for source, count in rows]


def ask_available(connection: Connection, workload: str, source: str = "") -> list[dict[str, Any]]:
    """Answer `Store.available`."""
    rows = connection.execute(
        "SELECT series.name, array_agg(DISTINCT source), sum(count)::bigint"
        f" FROM run JOIN series ON series.run = run.id WHERE {OF_WORKLOAD}"
        " GROUP BY series.name ORDER BY series.name",
        {"workload": workload, "source": source},
    )
    return [{"name": name, "data_source": found, "count": count} for name, found, count in rows]


def ask_points(
    connection: Connection,
    workload: str,
    source: str = "",
    names: Sequence[str] = (),
    start: int | None = None,
    end: int | None = None,
    limit: int = 1_000_000,
    after: Position | None = None,
) -> list[dict[str, Any]]:
    """Answer `Store.points`; series that lie outside the bounds are not read."""
    asked = {"workload": workload, "source": source, "names": list(names), "start": start, "end": end}
    rows = connection.execute(POINTS, {**asked, "limit": limit, **_place(after)}, binary=True)
    return [dict(zip(POINT, row)) for row in rows]


def ask_iterations(
    connection: Connection,
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
    asked = {"workload": workload, "source": source, "start": start, "end": end}
    rows = connection.execute(ITERATIONS, {**asked, "limit": limit, **_place(after)}, binary=True)
    return [dict(zip(POINT, row)) for row in rows]


def ask_workloads(
    connection: Connection,
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
    (total,) = connection.execute(f"SELECT count(*) FROM workload WHERE {chosen}", asked).fetchall()[0]
    rows = connection.execute(PAGE.format(chosen=chosen), asked)
    return {"workloads": [dict(zip(WORKLOAD, row)) for row in rows], "total_count": total}


def like(search: str) -> dict[str, str]:
    """Return the parameters `search` and `like` of a statement that says `ILIKE %(like)s ESCAPE '!'`."""
    pattern = search.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return {"search": search, "like": f"%{pattern}%"}


def _place(after: Position | None) -> dict[str, Any]:
    return dict(zip(("after", "name", "step", "series"), after or (None,) * 4))
