"""The curves of several runs, down-sampled by SQLite on a grid that they share."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import isinf
from operator import itemgetter
from typing import Any

PLACES = {  # on each axis: of a point, of a series' first and of its last point
    "step": ("step", "series.first_step", "series.last_step"),
    "time": ("ts", "first_ts", "last_ts"),
    "relative": ("ts - started", "first_ts - started", "last_ts - started"),
}

CHOSEN = """
series.run IN (SELECT value FROM json_each(:runs))
AND (:names = '[]' OR series.name IN (SELECT value FROM json_each(:names)))
"""

# Points lie by step: bucket after bucket can be read in their order, three times as fast as sorting.
DENSE = """
SELECT :series, n, min(value), max(value), {mean}, count(*) FROM temp.bucket CROSS JOIN point
ON series_id = :series AND step >= :start + n * :width
AND step <= min(:start + (n + 1) * :width - 1, :end)
WHERE n < :buckets GROUP BY n ORDER BY n
"""

SPARSE = """
SELECT series_id, ({place} - :start) / :width AS bucket, min(value), max(value), {mean}, count(*)
FROM series JOIN run ON run.id = series.run JOIN point ON series_id = series.id
WHERE series.id IN (SELECT value FROM json_each(:sparse)) AND {place} BETWEEN :start AND :end
GROUP BY series_id, bucket ORDER BY series_id, bucket
"""

MEAN = "avg(value)"
CAREFUL_MEAN = f"avg(value / {2.0**40}) * {2.0**40}"  # which loses nothing of what is that large

COLUMNS = ("bucket", "min", "max", "mean", "count")
ENOUGH = 4  # points a bucket, for the way of the dense


def ask_series(
    connection: sqlite3.Connection,
    runs: Sequence[int],
    names: Sequence[str],
    axis: str,
    start: int,
    width: int,
    buckets: int,
    end: int | None = None,
) -> list[dict[str, Any]]:
    """Answer `Store.series`; series that lie outside are not read."""
    _, first, last = PLACES[axis]
    last_place = start + width * buckets - 1
    end = last_place if end is None else min(end, last_place)
    rows = connection.execute(
        "SELECT series.id, count, run, series.name, source, series.tags"
        " FROM series JOIN run ON run.id = run"
        f" WHERE {CHOSEN} AND {first} <= :end AND {last} >= :start ORDER BY series.id",
        {**_chosen(runs, names), "start": start, "end": end},
    ).fetchall()
    found = {row[0]: dict(zip(("run", "name", "source", "tags"), row[2:])) for row in rows}
    dense = [row[0] for row in rows if axis == "step" and row[1] >= ENOUGH * buckets]
    asked = {"start": start, "end": end, "width": width, "buckets": buckets}
    sparse = sorted({*found} - {*dense})
    read = _read_columns(connection, axis, dense, sparse, asked, MEAN)
    if any(mean is None or isinf(mean) for _, columns in read for mean in columns["mean"]):  # of the sum
        read = _read_columns(connection, axis, dense, sparse, asked, CAREFUL_MEAN)
    return [
        {**found[identity], "tags": json.loads(found[identity]["tags"]), **columns}
        for identity, columns in read
    ]


def ask_count(connection: sqlite3.Connection, runs: Sequence[int], names: Sequence[str]) -> int:
    """Answer `Store.count_series`."""
    chosen = _chosen(runs, names)
    return int(connection.execute(f"SELECT count(*) FROM series WHERE {CHOSEN}", chosen).fetchone()[0])


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


def _read_columns(connection: sqlite3.Connection, *asked: Any) -> list[tuple[int, dict[str, list[Any]]]]:
    """Return each series with its columns."""
    return [
        (identity, dict(zip(COLUMNS, list(map(list, zip(*cells)))[1:])))
        for identity, cells in groupby(_read_buckets(connection, *asked), key=itemgetter(0))
    ]


def _read_buckets(
    connection: sqlite3.Connection,
    axis: str,
    dense: Sequence[int],
    sparse: Sequence[int],
    asked: dict[str, int],
    mean: str,
) -> Iterator[tuple[Any, ...]]:
    if dense:
        _number_buckets(connection, asked["buckets"])
        for series in dense:
            yield from connection.execute(DENSE.format(mean=mean), {**asked, "series": series})
    if sparse:
        place = PLACES[axis][0]
        yield from connection.execute(
            SPARSE.format(place=place, mean=mean), {**asked, "sparse": json.dumps(list(sparse))}
        )


def _number_buckets(connection: sqlite3.Connection, buckets: int) -> None:
    """Let this connection's table `temp.bucket` hold the numbers from 0 on, that many at least."""
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS bucket (n INTEGER PRIMARY KEY)")
    (known,) = connection.execute("SELECT count(*) FROM temp.bucket").fetchone()
    missing = [(number,) for number in range(known, buckets)]
    if missing:
        connection.executemany("INSERT INTO temp.bucket VALUES (?)", missing)


def _chosen(runs: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    return {"runs": json.dumps(list(runs)), "names": json.dumps(list(names))}
