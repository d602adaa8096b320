"""What was committed since: the questions of those who follow."""

from __future__ import annotations

from collections.abc import Sequence

from .opening import Connection


def ask_changes(
    connection: Connection, after: int, runs: Sequence[int] = (), limit: int = 10_000
) -> list[tuple[int, int, int | None, int | None]]:
    """Answer `Store.changes`; numbers become visible in their order (see `writing.py`)."""
    return connection.execute(
        "SELECT seq, run, first_step, last_step FROM change WHERE seq > %(after)s"
        " AND (%(runs)s::bigint[] = '{}' OR run = ANY(%(runs)s::bigint[])) ORDER BY seq LIMIT %(limit)s",
        {"after": after, "runs": list(runs), "limit": limit},
    ).fetchall()


def ask_newest_change(connection: Connection) -> tuple[int, int]:
    """Answer `Store.newest_change`."""
    ((oldest, newest),) = connection.execute(
        "SELECT (SELECT min(seq) FROM change), (SELECT max(seq) FROM change)"
    ).fetchall()
    return oldest or 0, newest or 0
