"""The curves of several runs, down-sampled by PostgreSQL on a grid that they share."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from psycopg import Cursor, errors

from .arrays import integers
from .opening import Connection

PLACES = {  # on each axis: the column of points, and where it begins for a run
    "step": ("step", "0"),
    "time": ("ts", "0"),
    "relative": ("ts", "started"),
}
LARGEST = 2**63 - 1

CHOSEN = """
FROM series JOIN run ON run.id = run
WHERE series.run = ANY(%(runs)s::bigint[])
AND (%(names)s::text[] = '{}' OR series.name = ANY(%(names)s::text[]))
"""

COLUMNS = ("bucket", "min", "max", "mean", "count")

BUCKETS = """
SELECT
    series_id, ({column} - %(first)s::bigint) / %(width)s::bigint AS bucket, min(value), max(value),
    {mean}, count(*)
FROM point WHERE series_id = ANY(%(ids)s::bigint[]) AND {column} BETWEEN %(first)s AND %(last)s
GROUP BY series_id, bucket ORDER BY series_id, bucket
"""

MEAN = "avg(value)"
CAREFUL_MEAN = "avg(value::numeric)::double precision"  # ten times as slow


def ask_series(
    connection: Connection,
    runs: Sequence[int],
    names: Sequence[str],
    axis: str,
    start: int,
    width: int,
    buckets: int,
    end: int | None = None,
) -> list[dict[str, Any]]:
    """Answer `Store.series`; series that lie outside are not read."""
    column, zero = PLACES[axis]
    length = width * buckets - 1 if end is None else min(width * buckets - 1, end - start)
    found = {}
    starts: dict[int, list[int]] = defaultdict(list)  # where the axis begins for which series
    for identity, begin, *row in connection.execute(
        f"SELECT series.id, {zero}, run, series.name, source, series.tags {CHOSEN}"
        f" AND series.first_{column} - {zero} <= %(end)s AND series.last_{column} - {zero} >= %(start)s",
        {**_chosen(runs, names), "start": start, "end": start + length},
    ):
        found[identity] = dict(zip(("run", "name", "source", "tags"), row))
        starts[begin + start].append(identity)
    columns: dict[int, list[list[Any]]] = {}
    for first, ids in starts.items():  # each by itself: what is the same for all is planned best
        last = min(first + length, LARGEST, first + LARGEST)
        asked = {"ids": integers(ids), "first": first, "last": last, "width": width}
        for identity, *cells in _read_buckets(connection, column, asked):
            mine = columns.setdefault(identity, [[] for _ in COLUMNS])
            for cells_of, cell in zip(mine, cells):
                cells_of.append(cell)
    return [
        {**found[identity], "tags": json.loads(found[identity]["tags"]), **dict(zip(COLUMNS, mine))}
        for identity, mine in columns.items()
    ]


def ask_count(connection: Connection, runs: Sequence[int], names: Sequence[str]) -> int:
    """Answer `Store.count_series`."""
    ((count,),) = connection.execute(f"SELECT count(*) {CHOSEN}", _chosen(runs, names)).fetchall()
    return int(count)


def ask_extent(
    connection: Connection, runs: Sequence[int], names: Sequence[str], axis: str
) -> tuple[int, int] | None:
    """Answer `Store.extent`, from what is known of each series."""
    column, zero = PLACES[axis]
    ((start, end),) = connection.execute(
        f"SELECT min(series.first_{column} - {zero}), max(series.last_{column} - {zero}) {CHOSEN}",
        _chosen(runs, names),
    ).fetchall()
    return None if start is None else (start, end)


def _read_buckets(connection: Connection, column: str, asked: dict[str, Any]) -> Cursor[tuple[Any, ...]]:
    """Ask for the buckets; `avg` squares what it takes, and so refuses values from 1e154 on."""
    try:
        return connection.execute(BUCKETS.format(column=column, mean=MEAN), asked, binary=True)
    except errors.NumericValueOutOfRange:
        return connection.execute(BUCKETS.format(column=column, mean=CAREFUL_MEAN), asked, binary=True)


def _chosen(runs: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    return {"runs": integers(runs), "names": list(names)}
