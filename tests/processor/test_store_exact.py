"""However points come, each is stored once, and every count says so."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primus_lens_wandb_exporter.processor.store import Delivery, Store, Stored
from primus_lens_wandb_exporter.processor.store.identity import run_id, series_id

from ..support.properties import patient

Points = dict[tuple[int, int, int], float]  # by series, step and time

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
examples = itertools.count()


@settings(patient, suppress_health_check=list(HealthCheck))  # one store for all, each its own workloads
@given(groups=st.lists(st.lists(DELIVERIES, max_size=4), max_size=6))
def test_any_deliveries_leave_the_distinct_points_and_exact_counts(
    store: Store, groups: list[list[Delivery]]
) -> None:
    example = next(examples)
    keys: set[str] = set()
    points: Points = {}
    for group in groups:
        mine = [
            replace(one, workload=f"({example}) {one.workload}", key=f"{example} {one.key}")
            for one in group
        ]
        assert store.write(mine) == [note(delivery, keys, points) for delivery in mine]
    workloads = [f"({example}) w", f"({example}) wr"]
    rows = [row for workload in workloads for row in store.points(workload)]
    stored = {(row["series"], row["iteration"], row["timestamp"]): row["value"] for row in rows}
    assert (stored, len(rows)) == (points, len(points))
    listed = store.workloads(0, f"({example}) w")["workloads"]
    runs = [run_id(workload, run) for workload in workloads for run in ("", "r", "rr")]
    metrics = [metric for run in runs for metric in store.metrics(run)]
    assert sum(workload["points"] for workload in listed if workload["uid"] in workloads) == len(points)
    assert sum(metric["count"] for metric in metrics) == len(points)
    assert sorted(last_points(points)) == sorted(
        (metric["last_step"], metric["last_value"]) for metric in metrics
    )


def note(delivery: Delivery, keys: set[str], points: Points) -> bool:
    """Do in memory what the store is to do."""
    if delivery.key in keys:
        return False
    keys.add(delivery.key)
    for name, step, timestamp, value, tags in delivery.points:
        series = series_id(delivery.workload, delivery.run_id, delivery.source, name, tags)
        points.setdefault((series, step, timestamp), value)
    return True


def last_points(points: Points) -> list[tuple[int, float]]:
    """Return step and value of the last point of each series."""
    last = {series: (step, value) for (series, step, _), value in sorted(points.items())}
    return list(last.values())
