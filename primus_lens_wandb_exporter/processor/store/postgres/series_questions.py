"""The curves of several runs, down-sampled by PostgreSQL on a grid that they share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

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

# A mean by parts, because a sum may be larger than any number; the parts of a power of two lose nothing.
BUCKETS = """
SELECT
    series_id, ({column} - first) / %(width)s::bigint AS bucket, min(value), max(value),
    sum(value / 1048576) / count(*) * 1048576, count(*)
FROM unnest(%(ids)s::bigint[], %(firsts)s::bigint[], %(lasts)s::bigint[]) AS wanted(id, first, last)
JOIN point ON series_id = id AND {column} BETWEEN first AND last
GROUP BY series_id, bucket ORDER BY series_id, bucket
"""


def ask_series(
    connection: Connection,
    runs: Sequence[int],
    names: Sequence[str],
    axis: str,
    start: int,
    width: int,
    buckets: int,
) -> list[dict[str, Any]]:
    """Answer `Store.series`; series that lie outside are not read."""
    column, zero = PLACES[axis]
    length = width * buckets - 1
    found = {}
    firsts = []
    for identity, begin, *row in connection.execute(
        f"SELECT series.id, {zero}, run, series.name, source, series.tags {CHOSEN}"
        f" AND series.first_{column} - {zero} <= %(end)s AND series.last_{column} - {zero} >= %(start)s",
        {**_chosen(runs, names), "start": start, "end": start + length},
    ):
        found[identity] = dict(zip(("run", "name", "source", "tags"), row))
        firsts.append(begin + start)
    asked = {
        "ids": integers(found),
        "firsts": integers(firsts),
        "lasts": integers(min(first + length, LARGEST, first + LARGEST) for first in firsts),
        "width": width,
    }
    columns: dict[int, list[list[Any]]] = {}
    for identity, *cells in connection.execute(BUCKETS.format(column=column), asked, binary=True):
        mine = columns.setdefault(identity, [[] for _ in COLUMNS])
        for cells_of, cell in zip(mine, cells):
            cells_of.append(cell)
    return [
        {**found[identity], "tags": json.loads(found[identity]["tags"]), **dict(zip(COLUMNS, mine))}
        for identity, mine in columns.items()
    ]


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


def _chosen(runs: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    return {"runs": integers(runs), "names": list(names)}
