"""What is asked of runs: which there are, how they stand, and what they said besides numbers."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from .. import CRASHED_AFTER, PAGE_OF_ENTRIES
from ..rows import add_losses, show_run
from .questions import like

STATE = """
CASE WHEN outcome <> '' THEN outcome WHEN last_seen <= :silent THEN 'crashed' ELSE 'running' END
"""

ROW = f"""
id, workload, run_id, name, project, tags, {STATE}, host, framework, gpu_name,
gpu_count, started, ended, last_seen, points, last_step, exit_code, cause
"""

CHOSEN = f"""
run_id <> ''
AND (:states = '[]' OR {STATE} IN (SELECT value FROM json_each(:states)))
AND (:search = '' OR run_id LIKE :like ESCAPE '!' OR name LIKE :like ESCAPE '!'
    OR project LIKE :like ESCAPE '!' OR workload LIKE :like ESCAPE '!'
    OR EXISTS (SELECT 1 FROM pod_run WHERE pod_run.run = run.id AND pod_name LIKE :like ESCAPE '!'))
"""

LOSSES = """
SELECT run, name, last_value FROM series
WHERE run IN (SELECT value FROM json_each(?)) AND name LIKE '%loss%' ORDER BY last_ts, id
"""

# SQLite reads JSON to a certain depth alone; an entry that is deeper has no marks.
MARKS = """
SELECT json_each.key, step, ts, json_each.value
FROM log_entry, json_each(CASE WHEN json_valid(data) THEN data ELSE '{}' END)
WHERE run = ? AND (data LIKE '%"NaN"%' OR data LIKE '%Infinity"%')
AND json_each.type = 'text' AND json_each.value IN ('NaN', 'Infinity', '-Infinity')
ORDER BY step, ts, json_each.key LIMIT ?
"""


def ask_runs(
    connection: sqlite3.Connection,
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
        "states": json.dumps(list(states)),
        **like(search),
        "limit": limit,
        "offset": offset,
    }
    chosen = CHOSEN if workload is None else f"workload = :workload AND {CHOSEN}"
    (total,) = connection.execute(f"SELECT count(*) FROM run WHERE {chosen}", asked).fetchone()
    rows = connection.execute(
        f"SELECT {ROW} FROM run WHERE {chosen}"
        " ORDER BY last_seen DESC, started DESC, id LIMIT :limit OFFSET :offset",
        asked,
    )
    return {"runs": _with_losses(connection, [show_run(row) for row in rows]), "total_count": total}


def ask_run(connection: sqlite3.Connection, run: int, now: int) -> dict[str, Any] | None:
    """Answer `Store.run`."""
    row = connection.execute(
        f"SELECT {ROW}, config FROM run WHERE id = :run", {"run": run, "silent": now - CRASHED_AFTER}
    ).fetchone()
    if row is None:
        return None
    (found,) = _with_losses(connection, [show_run(row)])
    record = connection.execute(
        "SELECT evidence, hints, verdict FROM detection WHERE run = ? ORDER BY ts DESC, id DESC LIMIT 1",
        (run,),
    ).fetchone()
    evidence, hints, verdict = record or (None, None, None)
    pods = connection.execute(
        "SELECT pod_uid, pod_name, namespace FROM pod_run WHERE run = ? ORDER BY pod_name, pod_uid",
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


def ask_configs(connection: sqlite3.Connection, runs: Sequence[int]) -> dict[int, str]:
    """Answer `Store.configs`."""
    chosen = "id IN (SELECT value FROM json_each(?))"
    return dict(
        connection.execute(f"SELECT id, config FROM run WHERE {chosen}", (json.dumps(list(runs)),))
    )


def ask_metrics(connection: sqlite3.Connection, run: int) -> list[dict[str, Any]]:
    """Answer `Store.metrics`."""
    rows = connection.execute(
        "SELECT name, source, tags, count, first_step, last_step, first_ts, last_ts, last_value"
        " FROM series WHERE run = ? ORDER BY name, source, tags",
        (run,),
    )
    keys = [column[0] for column in rows.description]
    found = [dict(zip(keys, row)) for row in rows]
    for series in found:
        series["tags"] = json.loads(series["tags"])
    return found


def ask_entries(
    connection: sqlite3.Connection, run: int, limit: int, before: tuple[int, int, int] | None = None
) -> list[dict[str, Any]]:
    """Answer `Store.entries`."""
    behind = " AND (ts, step, digest) < (?, ?, ?)" if before else ""
    rows = connection.execute(
        f"SELECT digest, step, ts, source, data FROM log_entry WHERE run = ?{behind}"
        " ORDER BY ts DESC, step DESC, digest DESC LIMIT ?",
        (run, *(before or ()), limit),
    )
    keys = ("digest", "step", "timestamp", "source", "data")
    found, size = [], 0
    for row in rows:
        found.append(dict(zip(keys, row)))
        size += len(row[-1])
        if size >= PAGE_OF_ENTRIES:
            break
    return found


def ask_marks(connection: sqlite3.Connection, run: int, limit: int) -> list[dict[str, Any]]:
    """Answer `Store.marks`."""
    keys = ("name", "step", "timestamp", "value")
    return [dict(zip(keys, row)) for row in connection.execute(MARKS, (run, limit))]


def _with_losses(connection: sqlite3.Connection, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the loss; of several series of that name the latest."""
    return add_losses(runs, connection.execute(LOSSES, (json.dumps([run["id"] for run in runs]),)))
