"""What was committed since: the questions of those who follow."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence


def ask_changes(
    connection: sqlite3.Connection, after: int, runs: Sequence[int] = (), limit: int = 10_000
) -> list[tuple[int, int, int | None, int | None]]:
    """Answer `Store.changes`."""
    return connection.execute(
        "SELECT seq, run, first_step, last_step FROM change WHERE seq > :after"
        " AND (:runs = '[]' OR run IN (SELECT value FROM json_each(:runs))) ORDER BY seq LIMIT :limit",
        {"after": after, "runs": json.dumps(list(runs)), "limit": limit},
    ).fetchall()


def ask_newest_change(connection: sqlite3.Connection) -> tuple[int, int]:
    """Answer `Store.newest_change`."""
    oldest, newest = connection.execute(
        "SELECT (SELECT min(seq) FROM change), (SELECT max(seq) FROM change)"
    ).fetchone()
    return oldest or 0, newest or 0
