"""What every store answers of curves and of changes."""

from __future__ import annotations

from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store import Store, Stored
from primus_lens_wandb_exporter.processor.store.identity import run_id

from .deliveries import curve, delivery, detection, entry

RUN, OTHER = run_id("w", "r"), run_id("w", "other")


def buckets(found: list[dict[str, Any]]) -> dict[tuple[int, str], list[tuple[Any, ...]]]:
    return {
        (one["run"], one["name"]): list(
            zip(one["bucket"], one["min"], one["max"], one["mean"], one["count"])
        )
        for one in found
    }


def test_runs_share_the_grid_of_a_curve(store: Store) -> None:
    store.write([delivery("a", curve("loss", 10)), delivery("b", curve("loss", 4, 3), run_id="other")])
    assert store.extent([RUN, OTHER], ["loss"], "step") == (0, 9)
    assert buckets(store.series([RUN, OTHER], ["loss"], "step", 0, 4, 3)) == {
        (RUN, "loss"): [(0, 0.0, 1.5, 0.75, 4), (1, 2.0, 3.5, 2.75, 4), (2, 4.0, 4.5, 4.25, 2)],
        (OTHER, "loss"): [(0, 1.5, 1.5, 1.5, 1), (1, 2.0, 3.0, 2.5, 3)],
    }


def test_a_curve_tells_whose_it_is(store: Store) -> None:
    store.write([delivery("a", curve("gpu", 1, tags=(("id", "0"),)), source="system")])
    (one,) = store.series([RUN], [], "step", 0, 1, 1)
    assert one == {
        "run": RUN,
        "name": "gpu",
        "source": "system",
        "tags": {"id": "0"},
        "bucket": [0],
        "min": [0.0],
        "max": [0.0],
        "mean": [0.0],
        "count": [1],
    }


def test_each_source_and_tags_are_a_series(store: Store) -> None:
    for place in range(3):
        tags = (("gpu", str(place)),)
        store.write([delivery(f"a{place}", [*curve("util", 2, tags=tags), *curve("loss", 2)])])
    store.write(
        [
            delivery("b", curve("util", 2), source="other"),
            delivery("c", curve("util", 2), run_id="other"),
        ]
    )
    assert store.count_series([RUN, OTHER], ["util"]) == 5
    assert store.count_series([RUN], ["util", "loss"]) == 5
    assert store.count_series([RUN], ["none"]) == 0


def test_time_and_time_since_the_start_are_axes_too(store: Store) -> None:
    late = [Stored("loss", step, 1000 + step, step / 2) for step in range(4)]
    store.write([delivery("a", curve("loss", 4)), delivery("b", late, run_id="other")])
    assert store.extent([RUN, OTHER], ["loss"], "time") == (100, 1003)
    assert store.extent([RUN, OTHER], ["loss"], "relative") == (0, 3)
    whole = [(0, 0.0, 0.5, 0.25, 2), (1, 1.0, 1.5, 1.25, 2)]
    assert buckets(store.series([RUN, OTHER], ["loss"], "relative", 0, 2, 2)) == {
        (RUN, "loss"): whole,
        (OTHER, "loss"): whole,
    }
    assert buckets(store.series([RUN, OTHER], ["loss"], "time", 1002, 1, 9)) == {
        (OTHER, "loss"): [(0, 1.0, 1.0, 1.0, 1), (1, 1.5, 1.5, 1.5, 1)]
    }


def test_only_what_is_asked_for_is_in_sight(store: Store) -> None:
    store.write([delivery("a", curve("loss", 10) + curve("it's, 1", 5, 20))])
    assert list(buckets(store.series([RUN], [], "step", 0, 100, 1))) == list(
        buckets(store.series([RUN], ["loss", "it's, 1"], "step", 0, 100, 1))
    )
    assert list(buckets(store.series([RUN], [], "step", 15, 5, 2))) == [(RUN, "it's, 1")]
    assert store.series([RUN], ["none"], "step", 0, 1, 1) == store.series([], [], "step", 0, 1, 1) == []
    assert store.extent([RUN], ["none"], "step") is store.extent([], [], "time") is None


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
@pytest.mark.parametrize("count", [3, 500])  # few a bucket, and many
@pytest.mark.parametrize("cut", [False, True])
def test_a_bucket_has_what_its_points_are(store: Store, axis: str, count: int, cut: bool) -> None:
    points = [Stored("x", -7 + 3 * step, 50 + 2 * step, (step * 37 % 101) / 8) for step in range(count)]
    store.write([delivery("a", points)])
    extent = store.extent([RUN], ["x"], axis)
    assert extent is not None
    start, width = extent[0] - 1, (extent[1] - extent[0]) // 4 + 1
    places = {
        "step": lambda point: point.step,
        "time": lambda point: point.timestamp,
        "relative": lambda point: point.timestamp - 50,
    }
    end = (extent[0] + extent[1]) // 2 if cut else extent[1]
    expected: dict[int, list[float]] = {}
    for point in [point for point in points if places[axis](point) <= end]:
        expected.setdefault((places[axis](point) - start) // width, []).append(point.value)
    (found,) = buckets(store.series([RUN], ["x"], axis, start, width, 5, end if cut else None)).values()
    assert [(bucket, low, high, count) for bucket, low, high, _, count in found] == [
        (bucket, min(values), max(values), len(values)) for bucket, values in sorted(expected.items())
    ]
    assert [mean for *_, mean, _ in found] == pytest.approx(
        [sum(values) / len(values) for _, values in sorted(expected.items())]
    )


def test_changes_tell_which_steps_are_new(store: Store) -> None:
    assert (store.newest_change(), store.changes(0)) == ((0, 0), [])
    store.write([delivery("a", curve("loss", 3, 5) + curve("acc", 2))])
    store.write(
        [delivery("b", entries=[entry(1, note="x")]), delivery("c", detections=[detection("a", 1, 1)])]
    )
    store.write([delivery("d", curve("loss", 3, 5), run_id="other")])
    store.write([delivery("a", curve("loss", 9))])  # delivered before
    changes = store.changes(0)
    assert [change[1:] for change in changes] == [(RUN, 0, 7), (RUN, None, None), (OTHER, 5, 7)]
    first, _, last = [change[0] for change in changes]
    assert store.newest_change() == (first, last)
    assert store.changes(first) == changes[1:]
    assert store.changes(0, [OTHER]) == changes[2:]
    assert store.changes(0, limit=1) == changes[:1]
    assert store.changes(last) == []


@pytest.mark.parametrize("axis", ["step", "time"])
def test_a_mean_is_a_number_where_the_sum_is_none(store: Store, axis: str) -> None:
    values = [1.5e308] * 6 + [-1.5e308] * 2
    store.write([delivery("a", [Stored("x", step, step, value) for step, value in enumerate(values)])])
    (one,) = store.series([RUN], ["x"], axis, 0, 8, 1)
    assert (one["min"], one["max"]) == ([-1.5e308], [1.5e308])
    assert one["mean"] == pytest.approx([0.75e308])


@pytest.mark.parametrize("value", [1e300, -1e200, 5e-324])
def test_values_may_be_as_large_and_as_small_as_numbers_are(store: Store, value: float) -> None:
    store.write([delivery("a", [Stored("loss", step, step, value * (step % 2)) for step in range(4)])])
    (found,) = store.series([RUN], [], "step", 0, 4, 1)
    assert (min(found["min"] + found["max"]), max(found["min"] + found["max"])) == (
        min(value, 0),
        max(value, 0),
    )
    assert found["mean"] == [pytest.approx(value / 2, abs=1e-300)]
