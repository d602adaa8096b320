"""What keeps a SQLite file small: each function does a part, inside the caller's transaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from .. import CRASHED_AFTER, Thinned
from ..stretches import find_width
from .opening import connect

# The stretches of a series follow one another in its key's order, so its first points may be thinned out
# by themselves, however many: what a stretch keeps of them stands for them when the next ones are read.
THIN = """
DELETE FROM point WHERE series_id = :series AND (step, ts) IN (
    WITH part AS (
        SELECT step, ts, value, step / :width AS stretch, ts / :period AS period
        FROM point WHERE series_id = :series ORDER BY step, ts LIMIT :limit
    ), ranked AS (
        SELECT step, ts,
            lag(step) OVER place IS NULL OR lead(step) OVER place IS NULL AS edge,
            row_number() OVER (PARTITION BY stretch, period ORDER BY value, step, ts) AS low,
            row_number() OVER (PARTITION BY stretch, period ORDER BY value DESC, step, ts) AS high
        FROM part WINDOW place AS (PARTITION BY stretch, period ORDER BY step, ts)
    )
    SELECT step, ts FROM ranked WHERE NOT edge AND low > 1 AND high > 1
)
"""

# `thinned` is when a run had been last seen when it was thinned out: one that went on is due again.
DUE = """
SELECT id, workload FROM run INDEXED BY run_to_thin
WHERE last_seen < :before AND (ended IS NOT NULL OR last_seen < :crashed)
AND (thinned IS NULL OR thinned < last_seen)
LIMIT 1
"""

LONG = """
SELECT id, count, first_step, last_step, first_ts, last_ts FROM series
WHERE run = ? AND count > ? LIMIT 1
"""

SIZES = """
SELECT
    (SELECT count(*) FROM workload), (SELECT count(*) FROM run WHERE run_id <> ''),
    (SELECT count(*) FROM series), (SELECT ifnull(sum(points), 0) FROM workload),
    (SELECT count(*) FROM log_entry), (SELECT count(*) FROM detection), (SELECT count(*) FROM batch)
"""


class _Owner(NamedTuple):
    """Whose points they are."""

    run: int
    workload: str


def forget(connection: sqlite3.Connection, before: int, rows: int) -> int:
    """Do a part of `Store.forget`; what is left is whole and counted right, should its sender return."""
    old = connection.execute("SELECT uid FROM workload WHERE last_seen < ? LIMIT ?", (before, rows))
    removed = 0
    for (workload,) in old.fetchall():
        gone = False
        while not gone and removed < rows:
            part, gone = _forget_some(connection, workload, rows - removed)
            removed += part
    return removed


def _forget_some(connection: sqlite3.Connection, workload: str, rows: int) -> tuple[int, bool]:
    """Remove some rows of a workload; return how many, and whether it is gone."""
    found = connection.execute("SELECT id FROM run WHERE workload = ? LIMIT 1", (workload,)).fetchone()
    if not found:
        return _remove(connection, "workload", "uid", workload), True
    run = found[0]
    series = connection.execute("SELECT id FROM series WHERE run = ? LIMIT 1", (run,)).fetchone()
    if series:
        return _forget_points(connection, _Owner(run, workload), series[0], rows), False
    for table in ("log_entry", "detection"):
        removed = connection.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE run = ? LIMIT ?)",
            (run, rows),
        ).rowcount
        if removed:
            return removed, False
    return _remove(connection, "pod_run", "run", run) + _remove(connection, "run", "id", run), False


def _remove(connection: sqlite3.Connection, table: str, key: str, value: object) -> int:
    return connection.execute(f"DELETE FROM {table} WHERE {key} = ?", (value,)).rowcount


def _forget_points(connection: sqlite3.Connection, owner: _Owner, series: int, rows: int) -> int:
    """Remove the first `rows` points of a series, and the series when none is left; return how many."""
    rest = connection.execute(
        "SELECT step, ts FROM point WHERE series_id = ? ORDER BY step, ts LIMIT 1 OFFSET ?",
        (series, rows),
    ).fetchone()
    if rest is None:
        removed = _remove(connection, "point", "series_id", series)
        _remove(connection, "series", "id", series)
    else:
        removed = connection.execute(
            "DELETE FROM point WHERE series_id = ? AND (step, ts) < (?, ?)", (series, *rest)
        ).rowcount
        connection.execute("UPDATE series SET first_step = ? WHERE id = ?", (rest[0], series))
    _count_off(connection, owner, series, removed)
    return removed + (rest is None)


def _count_off(connection: sqlite3.Connection, owner: _Owner, series: int, removed: int) -> None:
    connection.execute("UPDATE series SET count = count - ? WHERE id = ?", (removed, series))
    connection.execute("UPDATE run SET points = points - ? WHERE id = ?", (removed, owner.run))
    connection.execute(
        "UPDATE workload SET points = points - ? WHERE uid = ?", (removed, owner.workload)
    )


def thin(connection: sqlite3.Connection, before: int, keep: int, rows: int) -> Thinned:
    """Do a part of `Store.thin`: of one long series, and look at the short ones before it."""
    stretches = max(4, keep // 4)
    moment = {"before": before, "crashed": before - CRASHED_AFTER}
    looked_at = 0
    while looked_at < rows:
        run = connection.execute(DUE, moment).fetchone()
        if run is None:
            break
        owner = _Owner(*run)
        series = connection.execute(LONG, (owner.run, 4 * stretches)).fetchone()
        if series:
            part = _thin_series(connection, owner, series, stretches, rows)
            return Thinned(looked_at + part.looked_at, part.removed)
        looked_at += 1
        connection.execute("UPDATE run SET thinned = last_seen WHERE id = ?", (owner.run,))
    return Thinned(looked_at, 0)


def _thin_series(
    connection: sqlite3.Connection,
    owner: _Owner,
    series: tuple[int, int, int, int, int, int],
    stretches: int,
    rows: int,
) -> Thinned:
    """Thin out the begin of a series, `rows` points behind those that may have been."""
    number, count, first, last, begin, end = series
    limit = 4 * stretches + rows
    width = find_width(last - first, stretches)
    periods = stretches // (last - first + 1)  # of each step, where there are few: by time
    removed = connection.execute(
        THIN,
        {
            "series": number,
            "limit": limit,
            "width": width,
            "period": find_width(end - begin, periods) if periods > 2 else 0,  # NULL for all: one period
        },
    ).rowcount
    _count_off(connection, owner, number, removed)
    return Thinned(min(limit, count), removed)


def prune(connection: sqlite3.Connection, batches: int, changes: int, rows: int) -> int:
    """Do a part of `Store.prune`."""
    removed = connection.execute(
        "DELETE FROM batch WHERE key IN"
        " (SELECT key FROM batch WHERE received < ? ORDER BY received LIMIT ?)",
        (batches, rows),
    ).rowcount
    removed += connection.execute(
        "DELETE FROM change WHERE seq IN (SELECT seq FROM change WHERE at < ?"
        " AND seq < (SELECT max(seq) FROM change) ORDER BY at LIMIT ?)",
        (changes, rows),
    ).rowcount
    return removed


def sizes(connection: sqlite3.Connection) -> dict[str, int]:
    """Answer `Store.sizes`."""
    keys = ("workloads", "runs", "series", "points", "log_entries", "detections", "batches")
    connection.execute("BEGIN")  # so that all is of one moment
    answer = dict(zip(keys, connection.execute(SIZES).fetchone()))
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return {**answer, "bytes": pages * size, "free_bytes": free * size}


def vacuum(path: Path) -> None:
    """Do `Store.vacuum`, on a connection of its own.

    Raises:
        sqlite3.Error: nothing was changed, or the room is given back when those who read now have ended.
    """
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA temp_store = FILE")  # a copy of all is too much for memory
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def series_of(connection: sqlite3.Connection, run: int) -> list[tuple[int, str, str, str]]:
    """Return id, name, source and tags of a run's series, in the order of `Store.export`."""
    return connection.execute(
        "SELECT id, name, source, tags FROM series WHERE run = ? ORDER BY name, source, tags, id", (run,)
    ).fetchall()


def page_of(
    connection: sqlite3.Connection, series: int, after: tuple[int, int] | None, rows: int
) -> list[tuple[int, int, float]]:
    """Return step, time and value of the `rows` points behind a step and time; None: of the first."""
    behind = "AND (step, ts) > (?, ?)" if after else ""
    return connection.execute(
        f"SELECT step, ts, value FROM point WHERE series_id = ? {behind} ORDER BY step, ts LIMIT ?",
        (series, *(after or ()), rows),
    ).fetchall()
