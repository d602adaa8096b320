"""However points come, each is stored once, and every count says so."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.processor.store import Delivery, Stored
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support.properties import patient

INTEGERS = st.integers(-(2**63), 2**63 - 1)
POINTS = st.builds(
    Stored,
    name=st.sampled_from(["loss", "Loss", "", "ü.1"]),
    step=st.one_of(st.integers(0, 3), INTEGERS),
    timestamp=st.one_of(st.sampled_from([1, 2]), st.integers(0, 2**58)),
    value=st.floats(allow_nan=False, allow_infinity=False),
    tags=st.sampled_from([(), (("a", "b"),), (("a", "bc"),), (("ab", "c"),)]),
)
DELIVERIES = st.builds(
    Delivery,
    key=st.integers(0, 9).map(str),
    workload=st.sampled_from(["w", "wr"]),
    run_id=st.sampled_from(["", "r", "rr"]),
    source=st.sampled_from(["wandb", "system"]),
    received=st.just(1000),
    points=st.lists(POINTS, max_size=8),
)


@patient
@given(st.lists(st.lists(DELIVERIES, max_size=4), max_size=6))
def test_any_deliveries_leave_the_distinct_points_and_exact_counts(groups: list[list[Delivery]]) -> None:
    keys: set[str] = set()
    points: dict[tuple[object, ...], float] = {}
    with tempfile.TemporaryDirectory() as folder, closing(SqliteStore(Path(folder, "db"))) as store:
        for group in groups:
            assert store.write(group) == [note(delivery, keys, points) for delivery in group]
        stored = read(Path(folder, "db"))
        listed = store.workloads()["workloads"]
    assert stored == (points, len(points), len(points), len(points))
    assert sum(workload["points"] for workload in listed) == len(points)


def note(delivery: Delivery, keys: set[str], points: dict[tuple[object, ...], float]) -> bool:
    """Do in memory what the store is to do."""
    if delivery.key in keys:
        return False
    keys.add(delivery.key)
    for name, step, timestamp, value, tags in delivery.points:
        whose = (delivery.workload, delivery.run_id, delivery.source, name, tags)
        points.setdefault((*whose, step, timestamp), value)
    return True


def read(path: Path) -> tuple[dict[tuple[object, ...], float], int, int, int]:
    """Return the points by what they are of, their number, and what the series and the runs count."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT run.workload, run.run_id, source, series.name, series.tags, step, ts, value"
            " FROM point JOIN series ON series.id = series_id JOIN run ON run.id = series.run"
        ).fetchall()
        (series,) = connection.execute("SELECT ifnull(sum(count), 0) FROM series").fetchone()
        (runs,) = connection.execute("SELECT ifnull(sum(points), 0) FROM run").fetchone()
        (count,) = connection.execute("SELECT count(*) FROM point").fetchone()
    found = {
        (*whose, tuple(json_pairs(tags)), step, ts): value for *whose, tags, step, ts, value in rows
    }
    return found, count, series, runs


def json_pairs(text: str) -> list[tuple[str, str]]:
    return list(json.loads(text).items())
