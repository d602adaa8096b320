"""The contract's questions: what is answered, in which form, and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from primus_lens_wandb_exporter.processor.query.contract import Query, parse_names
from primus_lens_wandb_exporter.processor.refusal import Refusal
from primus_lens_wandb_exporter.processor.settings import Settings, load
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support import bodies
from ..support.embedded import Embedded, embedded

NOW = 1_700_000_000_000  # milliseconds


@pytest.fixture
def filled(taker: Embedded) -> Embedded:
    points = [bodies.point(name, step / 2, step) for step in range(3) for name in ("loss", "acc")]
    taker.post("metrics", bodies.metrics(*points))
    taker.post("metrics", bodies.metrics(bodies.point("loss", 9, 1), source="log", run_id="other"))
    taker.post("detection", bodies.detection())
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
    assert len(rows(filled, limit=0)) == 0


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
    assert taker.get(f"/workloads/w/{path}", limit=0)["next"] is None


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


def test_a_search_has_a_length(taker: Embedded) -> None:
    assert taker.client.get("/api/v1/workloads", params={"search": "x" * 257}).status_code == 400


def test_sources_and_metrics_are_listed_with_their_counts(filled: Embedded) -> None:
    sources = filled.get("/workloads/w/metrics/sources")
    assert sources["data_sources"] == [{"name": "log", "count": 1}, {"name": "wandb", "count": 6}]
    assert sources["total_count"] == 2
    metrics = filled.get("/workloads/w/metrics/available")
    assert metrics["metrics"] == [
        {"name": "acc", "data_source": ["wandb"], "count": 3},
        {"name": "loss", "data_source": ["log", "wandb"], "count": 4},
    ]
    only = filled.get("/workloads/w/metrics/available", data_source="log")
    assert [row["name"] for row in only["metrics"]] == ["loss"]


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


def test_the_framework_is_answered_with_why(filled: Embedded) -> None:
    assert filled.get("/workloads/w/framework-detection") == {
        "workload_uid": "w",
        "framework": "lightning",
        "framework_layer": "wrapper",
        "wrapper_framework": "lightning",
        "base_framework": "pytorch",
        "confidence": 0.9,
        "method": "modules",
        "indicators": ["modules.lightning", "modules.pytorch"],
        "detected_at": NOW,
    }


def test_a_workload_that_nobody_knows(taker: Embedded) -> None:
    answer = taker.client.get("/api/v1/workloads/x/framework-detection")
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "no framework was detected for workload 'x'"},
    )
    for path in ("metrics/sources", "metrics/available", "metrics/data", "metrics/iteration-times"):
        assert taker.get(f"/workloads/x/{path}")["total_count"] == 0
    assert taker.get("/workloads/x/runs")["runs"] == []


def test_workloads_are_searched_and_paged(taker: Embedded) -> None:
    for name in ("train-1", "train-2", "eval"):
        taker.post("metrics", bodies.metrics(bodies.point(), workload_uid=name))
    found = taker.get("/workloads", search="train", limit=1, offset=1)
    assert found["total_count"] == 2
    assert len(found["workloads"]) == 1
    assert found["workloads"][0]["points"] == 1
    assert found["workloads"][0]["first_seen"] > NOW


def test_runs_tell_what_they_are(filled: Embedded) -> None:
    found = filled.get("/workloads/w/runs")
    assert found["total_count"] == 2
    run = next(run for run in found["runs"] if run["run_id"] == "r")
    assert (run["name"], run["project"], run["points"], run["last_step"]) == ("first", "vision", 6, 2)
    assert run["started"] == NOW


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/workloads/w/metrics/data?start=yesterday", "start: expected Unix milliseconds"),
        ("/workloads/w/metrics/data?end=1.5", "end: expected Unix milliseconds"),
        ("/workloads/w/metrics/data?limit=9999999", "limit: expected a whole number"),
        ("/workloads/w/metrics/data?cursor=x", "cursor: expected what `next` was"),
        ("/workloads/w/metrics/data?cursor=bnVsbA==", "cursor: expected what `next` was"),
        ("/workloads?limit=-1", "limit: expected a whole number between 0 and 1000"),
        ("/workloads?offset=99999999999999999999", "offset: expected a whole number"),
    ],
)
def test_a_bad_question_is_refused_by_its_parameter(taker: Embedded, path: str, error: str) -> None:
    answer = taker.client.get(f"/api/v1{path}")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)


def test_a_path_that_is_none_is_answered_in_json(taker: Embedded) -> None:
    answer = taker.client.get("/api/v1/nothing")
    assert (answer.status_code, answer.json()) == (404, {"error": "Not Found"})


@pytest.mark.parametrize("uid", ["ö %?#", "a/b", "a\nb", "a/runs", "/", "n/metrics/data"])
def test_a_workloads_name_may_hold_anything(taker: Embedded, uid: str) -> None:
    taker.post("metrics", bodies.metrics(bodies.point(), workload_uid=uid))
    for written in (quote(uid), quote(uid, safe="")):
        assert taker.get(f"/workloads/{written}/metrics/sources")["total_count"] == 1
        assert taker.get(f"/workloads/{written}/runs")["workload_uid"] == uid


def test_health_and_readiness(taker: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(store: SqliteStore) -> None:
        raise OSError("secret")

    assert taker.client.get("/health").status_code == 200
    assert taker.client.get("/ready").status_code == 200
    monkeypatch.setattr(SqliteStore, "check", broken)
    answer = taker.client.get("/ready")
    assert (answer.status_code, answer.json()) == (503, {"error": "the database does not answer"})
    assert taker.client.get("/health").status_code == 200


def test_a_database_that_cannot_be_asked_is_answered_with_503(taker: Embedded, tmp_path: Path) -> None:
    (tmp_path / "processor.db").write_bytes(b"no database any more" * 1000)
    answer = taker.client.get("/api/v1/workloads")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert answer.json() == {"error": "the database cannot be used at present"}


def test_requests_are_counted_by_route(filled: Embedded) -> None:
    for uid in ("a", "b/c"):
        filled.get(f"/workloads/{uid}/runs")
        filled.client.get(f"/api/v1/runs/{uid}")
    filled.client.get("/x/y")
    name = "primus_lens_processor_requests_total"
    route = 'method="GET",path="/api/v1/workloads/{uid}/runs",status="200"'
    assert filled.counted(f"{name}{{{route}}}") == 2
    route = 'method="GET",path="/api/v1/runs/{run}",status="404"'
    assert filled.counted(f"{name}{{{route}}}") == 1
    assert filled.counted(f'{name}{{method="GET",path="other",status="404"}}') == 2
    assert filled.counted("primus_lens_processor_queue") == 0
    assert filled.counted("primus_lens_processor_commit_seconds_count") == 3


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Basic token"}, 401),
        ({"Authorization": b"Bearer \xff"}, 401),
        ({"Authorization": "bearer token"}, 200),
    ],
)
@pytest.mark.parametrize("side", ["ingest", "read"])
def test_a_token_opens_its_own_side(
    tmp_path: Path, side: str, header: dict[str, Any], status: int
) -> None:
    tokens = {"ingest_token": "other", "read_token": "other", f"{side}_token": "token"}
    with embedded(tmp_path, Settings(**tokens)) as taker:
        if side == "read":
            answer = taker.client.get("/api/v1/workloads", headers=header)
        else:
            body = bodies.metrics(bodies.point())
            answer = taker.client.post("/api/v1/wandb/metrics", json=body, headers=header)
        assert answer.status_code == status
        assert ("WWW-Authenticate" in answer.headers) == (status == 401)
        assert taker.client.get("/health").status_code == 200


def test_every_query_asks_for_the_token(tmp_path: Path) -> None:
    with embedded(tmp_path, Settings(read_token="token")) as taker:
        app = taker.client.app
        assert isinstance(app, Starlette)
        paths = [route.path for route in app.routes if isinstance(route, Route)]
        asked = [path for path in paths if path.startswith("/api/v1/") and "/wandb/" not in path]
        assert len(asked) >= 13
        for path in asked:
            path = path.replace("{uid:name}", "w").replace("{run}", "0" * 16)
            assert taker.client.get(path).status_code == 401


def test_an_option_stands_above_the_environment() -> None:
    environ = {"PRIMUS_LENS_PROCESSOR_PORT": "1", "PRIMUS_LENS_PROCESSOR_HOST": "h"}
    settings = load(environ, {"port": "2", "host": None})
    assert (settings.port, settings.host) == (2, "h")
