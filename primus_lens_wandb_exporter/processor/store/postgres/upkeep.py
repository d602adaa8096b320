"""What keeps a PostgreSQL database small: each function is a part of it, in the caller's transaction.

Rows are locked in the order of those who write: points, series, runs, workloads. Counts are changed by
differences, and a row goes by what is in it then, so that all is right should a sender return meanwhile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import CRASHED_AFTER, Thinned
from ..stretches import find_width
from .opening import KEEPING, LOCK, SCHEMA, Connection

# The stretches of a series follow one another in its key's order, so any part of it from its begin may
# be thinned out by itself: what a stretch keeps of its first part stands for that part ever after.
THIN = """
WITH part AS (
    SELECT step, ts, value, step / %(width)s::bigint AS stretch, ts / %(period)s::bigint AS period
    FROM point WHERE series_id = %(series)s ORDER BY step, ts LIMIT %(limit)s
), ranked AS (
    SELECT step, ts,
        lag(step) OVER place IS NULL OR lead(step) OVER place IS NULL AS edge,
        row_number() OVER (PARTITION BY stretch, period ORDER BY value, step, ts) AS low,
        row_number() OVER (PARTITION BY stretch, period ORDER BY value DESC, step, ts) AS high
    FROM part WINDOW place AS (PARTITION BY stretch, period ORDER BY step, ts)
)
DELETE FROM point USING ranked
WHERE series_id = %(series)s AND point.step = ranked.step AND point.ts = ranked.ts
AND NOT edge AND low > 1 AND high > 1
"""

# `thinned` is when a run had been last seen when it was thinned out: one that went on is due again.
DUE = """
SELECT id, workload FROM run
WHERE last_seen < %(before)s AND (ended IS NOT NULL OR last_seen < %(crashed)s)
AND (thinned IS NULL OR thinned < last_seen)
ORDER BY last_seen LIMIT 1
"""

LONG = """
SELECT id, count, first_step, last_step, first_ts, last_ts FROM series
WHERE run = %s AND count > %s LIMIT 1
"""

EMPTY = """
DELETE FROM series WHERE id = %(id)s AND NOT EXISTS (SELECT FROM point WHERE series_id = %(id)s)
"""

# In the very statement that removes: what a replica commits after its begin is not seen by it.
STILL_OLD = "EXISTS (SELECT FROM workload WHERE uid = %s AND last_seen < %s)"

SIZES = """
SELECT
    (SELECT count(*) FROM workload), (SELECT count(*) FROM run WHERE run_id <> ''),
    (SELECT count(*) FROM series), (SELECT coalesce(sum(points), 0)::bigint FROM workload),
    (SELECT count(*) FROM log_entry), (SELECT count(*) FROM detection), (SELECT count(*) FROM batch),
    coalesce(sum(size), 0)::bigint,
    coalesce(sum(size * dead / greatest(dead + live, 1)), 0)::bigint
FROM (
    SELECT pg_total_relation_size(relid) AS size, n_dead_tup AS dead, n_live_tup AS live
    FROM pg_stat_user_tables WHERE schemaname = %s
) AS tables
"""


class _Owner(NamedTuple):
    """Whose points they are."""

    run: int
    workload: str


def may_keep(connection: Connection) -> bool:
    """Return whether this replica is the one that does so until the end of its transaction."""
    ((mine,),) = connection.execute(
        "SELECT pg_try_advisory_xact_lock(%s, %s)", (LOCK, KEEPING)
    ).fetchall()
    return bool(mine)


def forget(connection: Connection, before: int, rows: int) -> int:
    """Do a part of `Store.forget`; what is left is whole and counted right, should its sender return."""
    old = connection.execute("SELECT uid FROM workload WHERE last_seen < %s LIMIT %s", (before, rows))
    removed = 0
    for (workload,) in old.fetchall():
        while removed < rows and (part := _forget_some(connection, workload, before, rows - removed)):
            removed += part  # 0: it is gone, or its sender has returned
    return removed


def _forget_some(connection: Connection, workload: str, before: int, rows: int) -> int:
    """Remove some rows of a workload; return how many."""
    found = connection.execute("SELECT id FROM run WHERE workload = %s LIMIT 1", (workload,)).fetchone()
    if not found:
        return connection.execute(
            "DELETE FROM workload WHERE uid = %s AND last_seen < %s", (workload, before)
        ).rowcount
    run = found[0]
    series = connection.execute("SELECT id FROM series WHERE run = %s LIMIT 1", (run,)).fetchone()
    if series:
        return _forget_points(connection, _Owner(run, workload), series[0], before, rows)
    for table in ("log_entry", "detection"):
        removed = connection.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE run = %s LIMIT %s)"
            f" AND {STILL_OLD}",
            (run, rows, workload, before),
        ).rowcount
        if removed:
            return removed
    gone = connection.execute("DELETE FROM run WHERE id = %s AND last_seen < %s", (run, before)).rowcount
    if gone:
        gone += connection.execute("DELETE FROM pod_run WHERE run = %s", (run,)).rowcount
    return gone


def _forget_points(connection: Connection, owner: _Owner, series: int, before: int, rows: int) -> int:
    """Remove the first `rows` points of a series, and the series when none is left; return how many."""
    rest = connection.execute(
        "SELECT step, ts FROM point WHERE series_id = %s ORDER BY step, ts LIMIT 1 OFFSET %s",
        (series, rows),
    ).fetchone()
    behind = "AND (step, ts) < (%s, %s)" if rest else ""
    removed = connection.execute(
        f"DELETE FROM point WHERE series_id = %s {behind} AND {STILL_OLD}",
        (series, *(rest or ()), owner.workload, before),
    ).rowcount
    if rest and removed:
        connection.execute("UPDATE series SET first_step = %s WHERE id = %s", (rest[0], series))
    _count_off(connection, owner, series, removed)
    # Its row is ours now: who has new points of it waits, and will note it again.
    return removed + connection.execute(EMPTY, {"id": series}).rowcount


def _count_off(connection: Connection, owner: _Owner, series: int, removed: int) -> None:
    connection.execute("UPDATE series SET count = count - %s WHERE id = %s", (removed, series))
    connection.execute("UPDATE run SET points = points - %s WHERE id = %s", (removed, owner.run))
    connection.execute(
        "UPDATE workload SET points = points - %s WHERE uid = %s", (removed, owner.workload)
    )


def thin(connection: Connection, before: int, keep: int, rows: int) -> Thinned:
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
        connection.execute("UPDATE run SET thinned = last_seen WHERE id = %s", (owner.run,))
    return Thinned(looked_at, 0)


def _thin_series(
    connection: Connection, owner: _Owner, series: tuple[Any, ...], stretches: int, rows: int
) -> Thinned:
    """Thin out the begin of a series, `rows` points behind those that may have been."""
    number, count, first, last, begin, end = series
    limit = 4 * stretches + rows
    periods = stretches // (last - first + 1)  # of each step, where there are few: by time
    removed = connection.execute(
        THIN,
        {
            "series": number,
            "limit": limit,
            "width": find_width(last - first, stretches),
            "period": find_width(end - begin, periods) if periods > 2 else None,  # None: one period
        },
    ).rowcount
    _count_off(connection, owner, number, removed)
    return Thinned(min(limit, count), removed)


def prune(connection: Connection, batches: int, changes: int, rows: int) -> int:
    """Do a part of `Store.prune`."""
    removed = connection.execute(
        "DELETE FROM batch WHERE key IN"
        " (SELECT key FROM batch WHERE received < %s ORDER BY received LIMIT %s)",
        (batches, rows),
    ).rowcount
    removed += connection.execute(
        "DELETE FROM change WHERE seq IN (SELECT seq FROM change WHERE at < %s"
        " AND seq < (SELECT max(seq) FROM change) ORDER BY at LIMIT %s)",
        (changes, rows),
    ).rowcount
    return removed


def sizes(connection: Connection) -> dict[str, int]:
    """Answer `Store.sizes`; what is free is estimated from the rows that are dead."""
    keys = ("workloads", "runs", "series", "points", "log_entries", "detections", "batches")
    (row,) = connection.execute(SIZES, (SCHEMA,)).fetchall()
    return dict(zip((*keys, "bytes", "free_bytes"), row))


def vacuum(connection: Connection) -> None:
    """Do `Store.vacuum`: the room can be used again, and the end of each table goes back to the disk."""
    connection.execute("SET statement_timeout = 0")
    tables = connection.execute(
        "SELECT format('%%I.%%I', schemaname, tablename) FROM pg_tables WHERE schemaname = %s", (SCHEMA,)
    ).fetchall()
    for (table,) in tables:
        connection.execute(f"VACUUM (ANALYZE) {table}".encode())


def series_of(connection: Connection, run: int) -> list[tuple[int, str, str, str]]:
    """Return id, name, source and tags of a run's series, in the order of `Store.export`."""
    return connection.execute(
        "SELECT id, name, source, tags FROM series WHERE run = %s ORDER BY name, source, tags, id",
        (run,),
    ).fetchall()


def page_of(
    connection: Connection, series: int, after: tuple[int, int] | None, rows: int
) -> list[tuple[int, int, float]]:
    """Return step, time and value of the `rows` points behind a step and time; None: of the first."""
    behind = "AND (step, ts) > (%s, %s)" if after else ""
    return connection.execute(
        f"SELECT step, ts, value FROM point WHERE series_id = %s {behind} ORDER BY step, ts LIMIT %s",
        (series, *(after or ()), rows),
        binary=True,
    ).fetchall()
