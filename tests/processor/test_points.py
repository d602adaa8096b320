"""The points of a workload and its iteration times: which are answered, how, and in which pages."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from primus_lens_wandb_exporter.processor.query.contract import Query, parse_names
from primus_lens_wandb_exporter.processor.refusal import Refusal
from primus_lens_wandb_exporter.processor.settings import Settings

from ..support import bodies
from ..support.embedded import Embedded

NOW = 1_700_000_000_000  # milliseconds


@pytest.fixture
def filled(taker: Embedded) -> Embedded:
    points = [bodies.point(name, step / 2, step) for step in range(3) for name in ("loss", "acc")]
    taker.post("metrics", bodies.metrics(*points))
    taker.post("metrics", bodies.metrics(bodies.point("loss", 9, 1), source="log", run_id="other"))
    return taker


def rows(taker: Embedded, **query: Any) -> list[tuple[str, float, int, int, str]]:
    answer = taker.get("/workloads/w/metrics/data", **query)
    assert answer["total_count"] == len(answer["data"])
    names = ["metric_name", "value", "timestamp", "iteration", "data_source"]
    assert all(list(row) == [*names, "run_id"] for row in answer["data"])
    return [tuple(row.values())[:-1] for row in answer["data"]]  # type: ignore[misc]


def test_the_data_of_one_metric_have_their_steps_and_milliseconds(filled: Embedded) -> None:
    assert rows(filled, metrics="acc") == [
        ("acc", 0.0, NOW, 0, "wandb"),
        ("acc", 0.5, NOW + 1000, 1, "wandb"),
        ("acc", 1.0, NOW + 2000, 2, "wandb"),
    ]


@pytest.mark.parametrize("metrics", ["all", "", "{all}", "loss,acc", "{loss,acc}", " { acc , loss } "])
def test_several_metrics_are_named_in_several_ways(filled: Embedded, metrics: str) -> None:
    assert len(rows(filled, metrics=metrics)) == 7


@pytest.mark.parametrize(
    ("text", "names"),
    [("a,b", ["a", "b"]), ("{a}", ["a"]), ("all", []), ("", []), ("{}", []), ("all,b", ["all", "b"])],
)
def test_names_are_read_as_written(text: str, names: list[str]) -> None:
    assert parse_names(text) == names


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        ({"start": NOW + 1000}, [1, 2]),
        ({"end": NOW + 1000}, [0, 1]),
        ({"start": NOW + 1, "end": NOW + 1999}, [1]),
        ({"limit": 1}, [0]),
    ],
)
def test_times_are_bounds_in_milliseconds(
    filled: Embedded, query: dict[str, int], steps: list[int]
) -> None:
    assert [row[3] for row in rows(filled, metrics="acc", **query)] == steps


def test_an_answer_that_is_cut_says_so(filled: Embedded) -> None:
    assert filled.get("/workloads/w/metrics/data", limit=2)["truncated"] is True
    assert filled.get("/workloads/w/metrics/data", limit=7)["truncated"] is False


def test_a_point_tells_its_run(filled: Embedded) -> None:
    found = filled.get("/workloads/w/metrics/data", metrics="loss", data_source="log")
    assert [row["run_id"] for row in found["data"]] == ["other"]


def test_a_metric_is_also_asked_for_by_its_own_parameter(taker: Embedded) -> None:
    names = ["all", "a,b", "{x}", "loss"]
    taker.post("metrics", bodies.metrics(*(bodies.point(name) for name in names)))
    for name in names:
        assert [row[0] for row in rows(taker, metric=name)] == [name]
    assert [row[0] for row in rows(taker, metric=["all", "a,b"], metrics="loss")] == [
        "a,b",
        "all",
        "loss",
    ]


@pytest.mark.parametrize("path", ["metrics/data", "metrics/iteration-times"])
def test_more_points_of_one_time_than_a_page_holds_are_paged(taker: Embedded, path: str) -> None:
    points = [bodies.point(n, s, s, timestamp=9) for s in range(5) for n in ("a", "target_iteration")]
    for run in ("r", "other"):
        taker.post("metrics", bodies.metrics(*points, run_id=run))
    whole = taker.get(f"/workloads/w/{path}")
    assert (whole["next"], whole["truncated"]) == (None, False)
    paged: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 3}
    while query.get("cursor") or not paged:
        page = taker.get(f"/workloads/w/{path}", **query)
        assert (page["next"] is not None) == page["truncated"]
        paged += page["data"]
        query["cursor"] = page["next"]
    assert paged == whole["data"]
    assert len(paged) == (20 if path == "metrics/data" else 10)


def test_a_point_lies_within_the_bounds_that_its_answer_names(taker: Embedded) -> None:
    times = [NOW / 1000 + part for part in (0.0, 0.0001, 0.0005, 0.0006, 0.0009, 0.123, 0.4567)]
    points = [{**bodies.point(step=step), "timestamp": ts} for step, ts in enumerate(times)]
    taker.post("metrics", bodies.metrics(*points))
    for _, _, timestamp, step, _ in rows(taker):
        assert step in [row[3] for row in rows(taker, start=timestamp, end=timestamp)]
    assert [row[2] - NOW for row in rows(taker)] == [0, 0, 0, 0, 0, 123, 456]


def test_only_so_many_large_answers_are_made_at_once(filled: Embedded) -> None:
    query = Query(Settings(), filled.store)
    for _ in range(3):
        assert query._points_at_once.acquire(blocking=False)
    request = Request({"type": "http", "headers": [], "query_string": b"", "path_params": {"uid": "w"}})
    with pytest.raises(Refusal, match="too many questions"):
        query.data(request)


def test_iteration_times_tell_each_step_once_at_its_first_report(taker: Embedded) -> None:
    points = [
        bodies.point("loss", 1, 5, timestamp=20.5),
        bodies.point("acc", 1, 5, timestamp=10.5),
        bodies.point("target_iteration", 100, 5, timestamp=30.5),
        bodies.point("loss", 1, 6, timestamp=40.5),
    ]
    taker.post("metrics", bodies.metrics(*points))
    answer = taker.get("/workloads/w/metrics/iteration-times")
    assert [tuple(row.values()) for row in answer["data"]] == [
        ("iteration", 5.0, 10500, 5, "wandb"),
        ("target_iteration", 100.0, 10500, 5, "wandb"),
        ("iteration", 6.0, 40500, 6, "wandb"),
    ]
    assert answer["total_count"] == 3
    late = taker.get("/workloads/w/metrics/iteration-times", start=31000, data_source="wandb")
    assert [row["iteration"] for row in late["data"]] == [6]
    assert taker.get("/workloads/w/metrics/iteration-times", data_source="log")["data"] == []
