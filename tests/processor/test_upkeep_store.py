"""What keeps a database small: what is removed, what stays, and that every count is right."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primus_lens_wandb_exporter.processor.store import CRASHED_AFTER, Delivery, Event, Store, Stored
from primus_lens_wandb_exporter.processor.store.identity import run_id

from ..support.delivery import wait_until
from ..support.properties import patient
from .deliveries import curve, delivery, detection, entry

LONG_AGO, LATER = 1000, 10 * CRASHED_AFTER
FINISHED = [Event("finished", 50_000)]


def everything(workload: str, received: int = LONG_AGO, points: int = 20) -> list[Delivery]:
    """Deliveries that leave something in every table."""
    told = {"workload": workload, "received": received}
    pod = {"pod_uid": f"uid of {workload}", "pod_name": "p", "namespace": "n"}
    return [
        delivery(f"{workload} 1 {received}", curve("loss", points), pod=pod, **told),
        delivery(f"{workload} 2 {received}", curve("lr", points), run_id="other", **told),
        delivery(f"{workload} 3 {received}", entries=[entry(1, a=1), entry(2, a=2)], **told),
        delivery(f"{workload} 4 {received}", detections=[detection("megatron", 0.9, received)], **told),
    ]


def rows_of(store: Store) -> dict[str, int]:
    """Return how many rows there are of each kind."""
    counts = {
        name: count for name, count in store.sizes().items() if not name.endswith(("bytes", "batches"))
    }
    pods = [store.run(run["id"], LATER) for run in store.runs(LATER)["runs"]]
    return {**counts, "pods": len({str(run["pods"]) for run in pods if run and run["pods"]})}


def are_exact(store: Store, search: str = "") -> int:
    """Check that all counts are those of the points, and return how many there are."""
    total = 0
    for workload in store.workloads(0, search)["workloads"]:
        points = store.points(workload["uid"])
        of_series = Counter(point["series"] for point in points)
        runs = store.runs(LATER, workload["uid"])["runs"]
        series = [one["count"] for run in runs for one in store.metrics(run["id"])]
        assert sorted(series) == sorted(of_series.values())
        assert sum(run["points"] for run in runs) == workload["points"] == len(points)
        total += len(points)
    return total


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_all_of_an_old_workload_goes_and_nothing_of_another(store: Store, rows: int) -> None:
    store.write(everything("new", received=LATER))
    alone = rows_of(store)
    store.write(everything("old"))
    assert rows_of(store) == {table: 2 * count for table, count in alone.items()}
    removed = 0
    while part := store.forget(before=LATER, rows=rows):
        assert part <= rows + 1  # a series goes with its last point
        removed += part
        are_exact(store)
    assert removed == sum(alone.values())
    assert rows_of(store) == alone


def test_a_workload_that_returns_while_it_is_forgotten_is_whole(store: Store) -> None:
    store.write(everything("w", points=100))
    assert store.forget(before=LATER, rows=30) == 30
    store.write([delivery("back", curve("loss", 10, first=100), received=LATER)])
    assert store.forget(before=LATER, rows=30) == 0
    assert are_exact(store) == 180
    for metric in store.metrics(run_id("w", "r")):
        steps = [p["iteration"] for p in store.points("w", names=[metric["name"]]) if p["run_id"] == "r"]
        assert (metric["first_step"], metric["last_step"]) == (min(steps), max(steps))


def thin(store: Store, keep: int, before: int = LATER, rows: int = 50) -> int:
    """Thin out all there is and return how many points were read."""
    read = 0
    while (part := store.thin(before, keep, rows)).looked_at:
        read += part.looked_at
    return read


def test_a_finished_run_is_thinned_and_a_running_one_is_not(store: Store) -> None:
    noise = [Stored("loss", step, step, float(step * 7919 % 1000)) for step in range(1000)]
    store.write(
        [
            delivery("a", noise, run_id="finished", events=FINISHED, received=LATER - 1),
            delivery("b", noise, run_id="crashed"),
            delivery("c", noise, run_id="quiet for a while", received=LATER - 1),
            delivery("d", noise, run_id="active", received=LATER, events=FINISHED),
            delivery("e", curve("short", 40), run_id="finished", received=LATER - 1),
        ]
    )
    before = store.sizes()["points"]
    part = store.thin(LATER, 40, rows=10_000)
    assert part.removed == before - store.sizes()["points"] > 900
    thin(store, keep=40)
    left = {
        name: [row["count"] for row in store.metrics(run_id("w", name))]
        for name in ("finished", "crashed", "quiet for a while", "active")
    }
    assert left["quiet for a while"] == left["active"] == [1000]
    assert left["finished"] == [left["crashed"][0], 40]
    assert 20 <= left["finished"][0] <= 40
    are_exact(store)


def test_what_was_thinned_is_not_read_again_and_a_run_that_goes_on_is(store: Store) -> None:
    run = run_id("w", "r")
    store.write([delivery("a", curve("loss", 1000), events=FINISHED)])
    assert thin(store, keep=40) >= 1000
    assert thin(store, keep=40) == 0
    started = Event("started", 60_000)
    store.write([delivery("b", curve("loss", 1000, first=1000), events=[started], received=2000)])
    (metric,) = store.metrics(run)
    assert (metric["first_step"], metric["last_step"], metric["last_value"]) == (0, 1999, 999.5)
    assert 1000 < metric["count"] <= 1040
    assert thin(store, keep=40, before=3000) == 0  # it runs
    assert thin(store, keep=40) > 1000
    assert are_exact(store) <= 40
    assert [store.metrics(run)[0][key] for key in ("first_step", "last_step")] == [0, 1999]


def test_points_of_one_step_are_thinned_by_time(store: Store) -> None:
    store.write([delivery("a", [Stored("gpu", 0, time, time % 97) for time in range(5000)])])
    thin(store, keep=400)
    times = [point["timestamp"] for point in store.points("w")]
    assert 300 < len(times) <= 400
    assert max(after - before for before, after in zip(times, times[1:])) < 150


WHOLE = st.integers(-(2**63), 2**63 - 1)
POINTS = st.lists(
    st.builds(
        Stored,
        name=st.just("loss"),
        step=st.one_of(st.integers(-3, 3), st.integers(0, 300), WHOLE),
        timestamp=st.one_of(st.integers(0, 300), WHOLE),
        value=st.one_of(st.integers(-2, 2).map(float), st.floats(allow_nan=False, allow_infinity=False)),
        tags=st.just(()),
    ),
    max_size=80,
    unique_by=lambda point: (point.step, point.timestamp),
)


examples = itertools.count()


# One store for all, each its own workload.
@settings(patient, max_examples=50, suppress_health_check=list(HealthCheck))
@given(points=POINTS, keep=st.integers(16, 30), rows=st.integers(1, 50))
def test_thinning_keeps_first_last_lowest_and_highest_and_not_more_than_told(
    store: Store, points: list[Stored], keep: int, rows: int
) -> None:
    workload = f"w ({next(examples)})"
    store.write([delivery(workload, points, workload=workload)])
    thin(store, keep, rows=rows)
    left = {(p["iteration"], p["timestamp"], p["value"]) for p in store.points(workload)}
    assert are_exact(store, workload) == len(left)
    had = {(point.step, point.timestamp, point.value) for point in points}
    assert left <= had
    if len(had) <= keep // 4 * 4:  # four of a stretch
        assert left == had
        return
    assert len(left) <= keep
    assert {min(had), max(had)} <= left
    values, kept = [p[2] for p in had], [p[2] for p in left]
    assert (min(values), max(values)) == (min(kept), max(kept))


def test_old_keys_and_changes_go_and_the_newest_change_stays(store: Store) -> None:
    store.write(
        [delivery(str(number), curve("x", 1, first=number), received=number) for number in range(9)]
    )
    store.write([delivery("late", curve("x", 1, first=9), received=100)])
    _, newest = store.newest_change()
    assert store.prune(batches=5, changes=0, rows=3) == 3
    assert store.prune(batches=5, changes=0, rows=3) == 2
    assert store.prune(batches=5, changes=0, rows=3) == 0
    assert store.write([delivery("8"), delivery("3")]) == [False, True]
    while store.prune(batches=0, changes=2**62, rows=3):
        pass
    assert store.newest_change() == (newest, newest)


def test_sizes_count_everything(store: Store) -> None:
    store.write(everything("w"))
    sizes = store.sizes()
    assert sizes.pop("bytes") > sizes.pop("free_bytes") >= 0
    assert sizes == {
        "workloads": 1,
        "runs": 2,
        "series": 2,
        "points": 40,
        "log_entries": 2,
        "detections": 1,
        "batches": 4,
    }


def free_bytes(store: Store) -> int:
    store.write([])  # PostgreSQL learns of what a connection has removed at its next word
    return store.sizes()["free_bytes"]


def test_vacuum_gives_back_the_room_of_what_was_removed(store: Store) -> None:
    store.write([delivery("a", curve("x", 20_000))])
    while store.forget(before=LATER, rows=10_000):
        pass
    wait_until(lambda: free_bytes(store) > 500_000)
    before = store.sizes()["bytes"]
    store.vacuum()
    wait_until(lambda: free_bytes(store) == 0)
    assert store.sizes()["bytes"] < before
    assert store.write([delivery("b", curve("x", 5))]) == [True]


def test_an_export_holds_every_point_in_order(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("primus_lens_wandb_exporter.processor.store.rows.PAGE", 4)
    edge = [Stored("z", -(2**63), -(2**63), 1.0)]
    store.write(
        [delivery("a", [*curve("b", 9), *curve("a", 8), *curve("a", 2, tags=(("k", "v"),)), *edge])]
    )
    store.write([delivery("c", curve("b", 9), run_id="another")])
    found = list(store.export(run_id("w", "r")))
    assert found == sorted(found)
    expected = [("a", "{}")] * 8 + [("a", '{"k": "v"}')] * 2 + [("b", "{}")] * 9 + [("z", "{}")]
    assert sorted((name, tags) for name, _, tags, *_ in found) == sorted(expected)
    assert ("b", "wandb", "{}", 8, 108, 4.0) in found
    assert found[-1] == ("z", "wandb", "{}", -(2**63), -(2**63), 1.0)
    assert list(store.export(0)) == []
