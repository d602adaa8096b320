"""What the database alone does: the same rows in the same order, one statement a commit, no more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Callable

from primus_lens_wandb_exporter.processor.store.identity import series_id
from primus_lens_wandb_exporter.processor.store.writer import GROUP_POINTS

from .clients import CLIENTS
from .work import POINTS, STEPS, points

Row = tuple[int, int, int, float]


def groups() -> Iterator[list[Row]]:
    """Yield the rows of one commit after the other, from as many runs as there are clients."""
    deliveries = ((run, delivery) for delivery in count() for run in range(CLIENTS))
    while True:
        yield [row for _ in range(GROUP_POINTS // POINTS) for row in _rows(*next(deliveries))]


def _rows(run: int, delivery: int) -> Iterator[Row]:
    for name, step, timestamp, value in points(delivery * STEPS):
        identity = series_id(f"load-{run}", "run", "wandb", name, ())
        yield identity, step, int(timestamp * 1e6), value


def sqlite_rate(path: Path, seconds: float) -> float:
    """Return the points a second of an `executemany` loop into a new SQLite file."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute(
        "CREATE TABLE point (series_id INTEGER, step INTEGER, ts INTEGER, value REAL,"
        " PRIMARY KEY (series_id, step, ts)) WITHOUT ROWID"
    )

    def commit(rows: list[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO point VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", rows)
        connection.execute("COMMIT")

    try:
        return _rate(commit, seconds)
    finally:
        connection.close()


def postgres_rate(url: str, seconds: float) -> float:
    """Return the points a second of an `unnest` loop into a new table of a PostgreSQL database."""
    import psycopg

    from primus_lens_wandb_exporter.processor.store.postgres.arrays import columns, take_arrays

    with psycopg.connect(url, autocommit=True) as connection:
        take_arrays(connection)
        connection.execute(
            "CREATE TABLE bare_point (series_id bigint, step bigint, ts bigint, value float8,"
            " PRIMARY KEY (series_id, step, ts))"
        )

        def commit(rows: list[Row]) -> None:
            connection.execute(
                "INSERT INTO bare_point SELECT * FROM unnest(%s::int8[], %s::int8[], %s::int8[],"
                " %s::float8[]) ON CONFLICT DO NOTHING",
                columns("iiif", rows),
            )

        try:
            return _rate(commit, seconds)
        finally:
            connection.execute("DROP TABLE bare_point")


def _rate(commit: Callable[[Any], None], seconds: float) -> float:
    """Return how many points a second go in, the time in which rows are made not counted."""
    spent, stored = 0.0, 0
    for rows in groups():
        started = time.perf_counter()
        commit(rows)
        spent += time.perf_counter() - started
        stored += len(rows)
        if spent >= seconds:
            return stored / spent
    raise AssertionError("there is no last group")
