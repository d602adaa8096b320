"""`GET /series`: the grid that runs share, and how much of it is answered."""

from __future__ import annotations

from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.query.outside import key_of
from primus_lens_wandb_exporter.processor.store.identity import run_id

from ..support import bodies
from ..support.embedded import Embedded

NOW = 1_700_000_000_000  # milliseconds
RUN, OTHER = key_of(run_id("w", "r")), key_of(run_id("w", "other"))


@pytest.fixture
def filled(taker: Embedded) -> Embedded:
    points = [bodies.point(name, step / 2, step) for step in range(100) for name in ("a,b", "loss")]
    taker.post("metrics", bodies.metrics(*points))
    late = [bodies.point("loss", 9.0, step, timestamp=bodies.NOW + 500 + step) for step in range(50)]
    taker.post("metrics", bodies.metrics(*late, run_id="other"))
    return taker


def shape(answer: dict[str, Any]) -> tuple[int, int, int]:
    return answer["start"], answer["width"], answer["buckets"]


def test_runs_share_the_bounds_of_all_their_points(filled: Embedded) -> None:
    found = filled.get("/series", runs=f"{OTHER},{RUN}", metric="loss", buckets=10)
    assert (found["axis"], *shape(found)) == ("step", 0, 10, 10)
    assert [one["run"] for one in found["series"]] == [OTHER, RUN]
    assert found["series"][0] == {
        "run": OTHER,
        "name": "loss",
        "source": "wandb",
        "tags": {},
        "bucket": [0, 1, 2, 3, 4],
        "min": [9.0] * 5,
        "max": [9.0] * 5,
        "mean": [9.0] * 5,
        "count": [10] * 5,
    }


def test_without_names_all_metrics_are_answered_and_a_name_may_hold_a_comma(filled: Embedded) -> None:
    names = [one["name"] for one in filled.get("/series", runs=RUN)["series"]]
    assert names == ["a,b", "loss"]
    found = filled.get("/series", runs=RUN, metric=["a,b", "none"])
    assert [one["name"] for one in found["series"]] == ["a,b"]


def test_times_are_milliseconds_and_a_run_may_begin_at_nought(filled: Embedded) -> None:
    time = filled.get("/series", runs=f"{RUN},{OTHER}", metric="loss", axis="time", buckets=2)
    assert shape(time) == (NOW, 274_501, 2)
    assert [one["bucket"] for one in time["series"]] == [[0], [1]]
    since = filled.get("/series", runs=f"{RUN},{OTHER}", metric="loss", axis="relative", buckets=2)
    assert shape(since) == (0, 49_501, 2)
    assert [one["bucket"] for one in since["series"]] == [[0, 1], [0]]


def test_the_tail_alone_fits_what_was_read_before(filled: Embedded) -> None:
    whole = filled.get("/series", runs=RUN, metric="loss", buckets=10)
    tail = filled.get("/series", runs=RUN, metric="loss", start=70, width=10)
    assert shape(tail) == (70, 10, 3)
    for column in ("min", "max", "mean", "count"):
        assert tail["series"][0][column] == whole["series"][0][column][7:]


def test_bounds_may_lie_anywhere(filled: Embedded) -> None:
    found = filled.get("/series", runs=RUN, metric="loss", start=-5, end=4, buckets=5)
    assert shape(found) == (-5, 2, 5)
    assert found["series"][0]["count"] == [1, 2, 2]
    assert shape(filled.get("/series", runs=RUN, metric="loss", start=500)) == (500, 1, 1)


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
def test_a_bucket_holds_nothing_from_behind_the_end(filled: Embedded, axis: str) -> None:
    start, unit = {"step": (0, 1), "time": (NOW, 1000), "relative": (0, 1000)}[axis]
    asked = {"runs": RUN, "metric": "loss", "axis": axis, "start": start}
    for end, counts in ((24, [10, 10, 5]), (29, [10, 10, 10]), (4, [5]), (0, [1])):
        (one,) = filled.get("/series", **asked, width=10 * unit, end=start + end * unit)["series"]
        assert one["count"] == counts
        assert one["max"][-1] == end / 2


def test_steps_at_the_ends_of_what_an_integer_holds_are_no_trouble(taker: Embedded) -> None:
    steps = (-(2**63), -1, 0, 2**63 - 1)
    taker.post("metrics", bodies.metrics(*(bodies.point("x", 1, s, timestamp=9) for s in steps)))
    found = taker.get("/series", runs=RUN)
    assert sum(found["series"][0]["count"]) == 2
    ends = {"start": -(10**15) + 1, "end": 10**15 - 1, "width": 10**15}
    for axis in ("step", "time", "relative"):
        assert taker.get("/series", runs=RUN, axis=axis, **ends)["series"]


def test_many_series_are_answered_more_coarsely(taker: Embedded) -> None:
    names = [f"m{number}" for number in range(100)]
    taker.post("metrics", bodies.metrics(*(bodies.point(n, 1, s) for n in names for s in (0, 9999))))
    others = ",".join(key_of(number) for number in range(19))
    found = taker.get("/series", runs=f"{RUN},{others}", metric=names, buckets=2000)
    assert shape(found) == (0, 50, 200)
    assert len(found["series"]) == 100


def test_series_are_counted_that_differ_in_tags_alone(taker: Embedded) -> None:
    util = [bodies.point("util", 0.5, step) for step in (0, 9999)]
    for first in range(0, 800, 100):
        tagged = [
            {**one, "tags": {"gpu": str(gpu)}} for gpu in range(first, first + 100) for one in util
        ]
        taker.post("metrics", bodies.metrics(*tagged))
    found = taker.get("/series", runs=RUN, metric="util", buckets=2000)
    assert shape(found) == (0, 20, 500)
    assert len(found["series"]) == 800


def test_runs_without_points_have_no_series(filled: Embedded) -> None:
    for query in ({"runs": "0" * 16}, {}, {"runs": RUN, "metric": "none"}):
        assert filled.get("/series", **query) == {
            "axis": "step",
            "start": 0,
            "width": 1,
            "buckets": 1,
            "series": [],
        }


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ({"runs": "x"}, "runs: expected keys of runs"),
        ({"runs": ",".join(key_of(number) for number in range(21))}, "runs: expected at most 20"),
        ({"axis": "depth"}, "axis: expected of step, time, relative"),
        ({"metric": [str(number) for number in range(101)]}, "metric: expected at most 100"),
        ({"start": "now"}, "start: expected a whole number"),
        ({"start": 9, "end": 8}, "end: expected no less than start"),
        ({"buckets": 2001}, "buckets: expected a whole number between 0 and 2000"),
        ({"start": 0, "end": 10_000, "width": 1}, "width: expected at least 6,"),
    ],
)
def test_a_bad_question_of_series_is_refused_by_its_parameter(
    filled: Embedded, query: dict[str, Any], error: str
) -> None:
    answer = filled.client.get("/api/v1/series", params={"runs": RUN, **query})
    assert (answer.status_code, answer.json()["error"][: len(error)]) == (400, error)
