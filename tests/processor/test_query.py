"""The contract's questions: what is answered, in which form, and to whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette
from starlette.routing import Route

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
        ("/workloads/w/metrics/data?limit=0", "limit: expected a whole number between 1 and 1000000"),
        ("/workloads/w/metrics/iteration-times?limit=0", "limit: expected a whole number between 1"),
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
