"""What is asked of runs: which there are, how they stand, and what they said besides numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .. import CRASHED_AFTER, PAGE_OF_ENTRIES
from ..rows import add_losses, show_run
from .opening import Connection
from .questions import like

STATE = """
CASE WHEN outcome <> '' THEN outcome WHEN last_seen <= %(silent)s THEN 'crashed' ELSE 'running' END
"""

ROW = f"""
id, workload, run_id, name, project, tags, {STATE}, host, framework, gpu_name,
gpu_count, started, ended, last_seen, points, last_step, exit_code, cause
"""

CHOSEN = f"""
run_id <> ''
AND (%(workload)s::text IS NULL OR workload = %(workload)s)
AND (%(states)s::text[] = '{{}}' OR {STATE} = ANY(%(states)s::text[]))
AND (%(search)s::text = '' OR run_id ILIKE %(like)s ESCAPE '!' OR name ILIKE %(like)s ESCAPE '!'
    OR project ILIKE %(like)s ESCAPE '!' OR workload ILIKE %(like)s ESCAPE '!' OR EXISTS (
        SELECT FROM pod_run WHERE pod_run.run = run.id AND pod_name ILIKE %(like)s ESCAPE '!'
    ))
"""

LOSSES = """
SELECT run, name, last_value FROM series
WHERE run = ANY(%s::bigint[]) AND name ILIKE '%%loss%%' ORDER BY last_ts, id
"""

ENTRIES = """
SELECT digest, step, ts, source, data FROM log_entry JOIN (
    SELECT id, sum(size) OVER (ORDER BY ts DESC, step DESC, digest DESC) - size AS before FROM (
        SELECT id, ts, step, digest, length(data) AS size FROM log_entry WHERE run = %s{behind}
        ORDER BY ts DESC, step DESC, digest DESC LIMIT %s
    ) AS page
) AS measured USING (id) WHERE before < %s ORDER BY ts DESC, step DESC, digest DESC
"""

MARKED = """
SELECT step, ts, data FROM log_entry
WHERE run = %s AND (data LIKE '%%"NaN"%%' OR data LIKE '%%Infinity"%%') ORDER BY step, ts
"""
MARKS = ("NaN", "Infinity", "-Infinity")


def ask_runs(
    connection: Connection,
    now: int,
    workload: str | None = None,
    search: str = "",
    states: Sequence[str] = (),
    limit: int = 100,
    offset: int = 0,
) -> dict[str, Any]:
    """Answer `Store.runs`; what belongs to a workload alone is no run."""
    asked = {
        "silent": now - CRASHED_AFTER,
        "workload": workload,
        "states": list(states),
        **like(search),
        "limit": limit,
        "offset": offset,
    }
    (total,) = connection.execute(f"SELECT count(*) FROM run WHERE {CHOSEN}", asked).fetchall()[0]
    rows = connection.execute(
        f"SELECT {ROW} FROM run WHERE {CHOSEN}"
        " ORDER BY last_seen DESC, started DESC, id LIMIT %(limit)s OFFSET %(offset)s",
        asked,
    )
    return {"runs": _with_losses(connection, [show_run(row) for row in rows]), "total_count": total}


def ask_run(connection: Connection, run: int, now: int) -> dict[str, Any] | None:
    """Answer `Store.run`."""
    row = connection.execute(
        f"SELECT {ROW}, config FROM run WHERE id = %(run)s", {"run": run, "silent": now - CRASHED_AFTER}
    ).fetchone()
    if row is None:
        return None
    (found,) = _with_losses(connection, [show_run(row)])
    record = connection.execute(
        "SELECT evidence, hints, verdict FROM detection WHERE run = %s"
        " ORDER BY ts DESC, id DESC LIMIT 1",
        (run,),
    ).fetchone()
    evidence, hints, verdict = record or (None, None, None)
    pods = connection.execute(
        "SELECT pod_uid, pod_name, namespace FROM pod_run WHERE run = %s ORDER BY pod_name, pod_uid",
        (run,),
    )
    return {
        **found,
        "config": row[-1],
        "evidence": evidence,
        "hints": hints,
        "verdict": verdict and json.loads(verdict),
        "pods": [dict(zip(("pod_uid", "pod_name", "namespace"), pod)) for pod in pods],
    }


def ask_configs(connection: Connection, runs: Sequence[int]) -> dict[int, str]:
    """Answer `Store.configs`."""
    rows = connection.execute("SELECT id, config FROM run WHERE id = ANY(%s::bigint[])", (list(runs),))
    return dict(rows.fetchall())


def ask_metrics(connection: Connection, run: int) -> list[dict[str, Any]]:
    """Answer `Store.metrics`."""
    rows = connection.execute(
        "SELECT name, source, tags, count, first_step, last_step, first_ts, last_ts, last_value"
        " FROM series WHERE run = %s ORDER BY name, source, tags",
        (run,),
    )
    keys = [column.name for column in rows.description or ()]
    found = [dict(zip(keys, row)) for row in rows]
    for series in found:
        series["tags"] = json.loads(series["tags"])
    return found


def ask_entries(
    connection: Connection, run: int, limit: int, before: tuple[int, int, int] | None = None
) -> list[dict[str, Any]]:
    """Answer `Store.entries`."""
    behind = " AND (ts, step, digest) < (%s, %s, %s)" if before else ""
    rows = connection.execute(
        ENTRIES.format(behind=behind), (run, *(before or ()), limit, PAGE_OF_ENTRIES)
    )
    keys = ("digest", "step", "timestamp", "source", "data")
    return [dict(zip(keys, row)) for row in rows]


def ask_marks(connection: Connection, run: int, limit: int) -> list[dict[str, Any]]:
    """Answer `Store.marks`; the entries are read here, for PostgreSQL's JSON takes no `\\u0000`."""
    found: list[tuple[int, int, str, str]] = []
    with connection.transaction(), connection.cursor("marks") as cursor:
        for step, ts, data in cursor.execute(MARKED, (run,)):
            if len(found) >= limit and (step, ts) > found[-1][:2]:
                break
            fields = _read_fields(data).items()
            found += sorted((step, ts, name, value) for name, value in fields if value in MARKS)
    keys = ("step", "timestamp", "name", "value")
    return [dict(zip(keys, mark)) for mark in sorted(found)[:limit]]


def _read_fields(data: str) -> dict[str, Any]:
    """Return an entry's fields; what Python does not read (too deep, too long a number) has none."""
    try:
        return dict(json.loads(data))
    except (ValueError, RecursionError):
        return {}


def _with_losses(connection: Connection, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the loss; of several series of that name the latest."""
    return add_losses(runs, connection.execute(LOSSES, ([run["id"] for run in runs],)))
