"""The curves of several runs, down-sampled by SQLite on a grid that they share."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

PLACES = {  # on each axis: of a point, of a series' first and of its last point
    "step": ("step", "first_step", "last_step"),
    "time": ("ts", "first_ts", "last_ts"),
    "relative": ("ts - started", "first_ts - started", "last_ts - started"),
}

CHOSEN = """
series.run IN (SELECT value FROM json_each(:runs))
AND (:names = '[]' OR series.name IN (SELECT value FROM json_each(:names)))
"""

COLUMNS = ("bucket", "min", "max", "mean", "count")


def ask_series(
    connection: sqlite3.Connection,
    runs: Sequence[int],
    names: Sequence[str],
    axis: str,
    start: int,
    width: int,
    buckets: int,
) -> list[dict[str, Any]]:
    """Answer `Store.series`; series that lie outside are not read."""
    place, first, last = PLACES[axis]
    asked = {
        **_chosen(runs, names),
        "start": start,
        "end": start + width * buckets - 1,
        "width": width,
    }
    found = {}
    for identity, *row in connection.execute(
        "SELECT series.id, run, series.name, source, series.tags FROM series JOIN run ON run.id = run"
        f" WHERE {CHOSEN} AND {first} <= :end AND {last} >= :start",
        asked,
    ):
        found[identity] = dict(zip(("run", "name", "source", "tags"), row))
    rows = connection.execute(
        f"SELECT series_id, ({place} - :start) / :width AS bucket,"
        " min(value), max(value), avg(value), count(*)"
        " FROM series JOIN run ON run.id = series.run JOIN point ON series_id = series.id"
        f" WHERE series.id IN (SELECT value FROM json_each(:found)) AND {place} BETWEEN :start AND :end"
        " GROUP BY series_id, bucket",
        {**asked, "found": json.dumps(list(found))},
    )
    columns: dict[int, list[list[Any]]] = {}
    for identity, *cells in rows:
        mine = columns.setdefault(identity, [[] for _ in COLUMNS])
        for column, cell in zip(mine, cells):
            column.append(cell)
    return [
        {**found[identity], "tags": json.loads(found[identity]["tags"]), **dict(zip(COLUMNS, mine))}
        for identity, mine in columns.items()
    ]


def ask_extent(
    connection: sqlite3.Connection, runs: Sequence[int], names: Sequence[str], axis: str
) -> tuple[int, int] | None:
    """Answer `Store.extent`, from what is known of each series."""
    _, first, last = PLACES[axis]
    start, end = connection.execute(
        f"SELECT min({first}), max({last}) FROM series JOIN run ON run.id = run WHERE {CHOSEN}",
        _chosen(runs, names),
    ).fetchone()
    return None if start is None else (start, end)


def _chosen(runs: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    return {"runs": json.dumps(list(runs)), "names": json.dumps(list(names))}
