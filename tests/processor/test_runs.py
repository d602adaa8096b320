"""The paths of runs: what is answered, in which form."""

from __future__ import annotations

from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store.sqlite.asking import Asking

from ..support import bodies
from ..support.embedded import Embedded

NOW = 1_700_000_000_000  # milliseconds


@pytest.fixture
def filled(taker: Embedded) -> Embedded:
    taker.post("metrics", bodies.metrics(*(bodies.point("loss", step / 2, step) for step in range(3))))
    taker.post("detection", bodies.detection())
    taker.post("logs", bodies.logs({"loss": "NaN"}, {"note": "hot"}, {"grad": "-Infinity"}))
    taker.post("metrics", bodies.metrics(bodies.point("acc"), run_id="other", workload_uid="v"))
    return taker


def key(taker: Embedded, run: str = "r") -> str:
    (found,) = taker.get("/runs", search=run)["runs"]
    return str(found["key"])


def test_a_run_tells_what_it_is(filled: Embedded) -> None:
    found = filled.get(f"/runs/{key(filled, 'first')}")
    assert len(found["key"]) == 16
    evidence = bodies.detection()["evidence"]
    assert (found["evidence"], found["config"]) == (evidence, evidence["wandb"]["config"])
    assert found["verdict"]["framework"] == "lightning"
    assert found["pods"] == [{"pod_uid": "u", "pod_name": "p", "namespace": "n"}]
    assert (found["state"], found["started"], found["ended"]) == ("running", NOW, None)
    assert found["loss"] == {"name": "loss", "value": 1.0}
    assert (found["name"], found["gpu_name"], found["gpu_count"]) == ("first", "MI300X", 8)


def test_a_list_of_runs_has_everything_but_the_records(filled: Embedded) -> None:
    found = filled.get("/runs")
    assert (found["total_count"], [run["run_id"] for run in found["runs"]]) == (2, ["other", "r"])
    one = filled.get(f"/runs/{key(filled, 'first')}")
    for name in ("config", "evidence", "hints", "verdict", "pods"):
        del one[name]
    assert found["runs"][1] == one


@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ({"search": "VIS"}, ["r"]),
        ({"workload": "v"}, ["other"]),
        ({"state": "running,failed"}, ["other", "r"]),
        ({"state": "failed"}, []),
        ({"limit": 1, "offset": 1}, ["r"]),
        ({"limit": 0}, []),
    ],
)
def test_runs_are_filtered_and_paged(filled: Embedded, query: dict[str, Any], runs: list[str]) -> None:
    assert [run["run_id"] for run in filled.get("/runs", **query)["runs"]] == runs


def test_the_configs_of_a_page_are_one_question(
    filled: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To ask for each run by itself would read all pods of the workload as often."""
    monkeypatch.delattr(Asking, "run")
    assert len(filled.get("/workloads/w/runs")["runs"]) == 1


def test_the_runs_of_a_workload_have_their_configs(filled: Embedded) -> None:
    found = filled.get("/workloads/w/runs")
    (run,) = found["runs"]
    assert (found["workload_uid"], found["total_count"]) == ("w", 1)
    assert run["config"] == {"lr": 0.1, "seed": 2**70}
    del run["config"]
    assert run == filled.get("/runs", workload="w")["runs"][0]


def test_the_metrics_of_a_run_tell_their_extent(filled: Embedded) -> None:
    found = filled.get(f"/runs/{key(filled, 'first')}/metrics")
    assert found == {
        "metrics": [
            {
                "name": "loss",
                "source": "wandb",
                "tags": {},
                "count": 3,
                "first_step": 0,
                "last_step": 2,
                "first_time": NOW,
                "last_time": NOW + 2000,
                "last_value": 1.0,
            }
        ],
        "total_count": 1,
    }


def test_pages_of_large_log_entries_are_many(taker: Embedded) -> None:
    for step in range(3):
        large = {"text": "x" * 5_000_000}
        taker.post(
            "logs", bodies.logs(large, timestamp=bodies.NOW, logs=[{"step": step, "data": large}])
        )
    run, cursor, sizes = key(taker), "", []
    while cursor is not None:
        page = taker.get(f"/runs/{run}/logs", cursor=cursor)
        sizes.append(len(page["entries"]))
        cursor = page["next"]
    assert sizes == [1, 1, 1, 0]


def test_log_entries_are_read_backwards_page_by_page(filled: Embedded) -> None:
    path = f"/runs/{key(filled, 'first')}/logs"
    assert filled.get(path)["entries"][0] == {
        "step": 2,
        "timestamp": NOW + 2000,
        "source": "wandb",
        "data": {"grad": "-Infinity"},
    }
    first = filled.get(path, limit=2)
    assert [entry["step"] for entry in first["entries"]] == [2, 1]
    second = filled.get(path, limit=2, cursor=first["next"])
    assert ([entry["step"] for entry in second["entries"]], second["next"]) == ([0], None)


def test_what_was_no_finite_number_is_marked_where_it_happened(filled: Embedded) -> None:
    assert filled.get(f"/runs/{key(filled, 'first')}/marks")["marks"] == [
        {"name": "loss", "step": 0, "timestamp": NOW, "value": "NaN"},
        {"name": "grad", "step": 2, "timestamp": NOW + 2000, "value": "-Infinity"},
    ]


@pytest.mark.parametrize("run", ["0" * 16, "f" * 16, "x", "0" * 15, "0" * 17])
def test_a_run_that_nobody_knows(taker: Embedded, run: str) -> None:
    answer = taker.client.get(f"/api/v1/runs/{run}")
    assert (answer.status_code, answer.json()) == (404, {"error": f"there is no run {run!r}"})


def test_a_run_that_nobody_knows_has_empty_lists(taker: Embedded) -> None:
    run = "0" * 16
    assert taker.get(f"/runs/{run}/metrics") == {"metrics": [], "total_count": 0}
    assert taker.get(f"/runs/{run}/logs") == {"entries": [], "next": None}
    assert taker.get(f"/runs/{run}/marks") == {"marks": []}


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/runs?state=asleep", "state: expected of running, finished, failed, crashed"),
        ("/runs?limit=1001", "limit: expected a whole number between 0 and 1000"),
        ("/runs?search=" + "x" * 257, "search: expected at most 256 characters"),
        ("/runs/0000000000000000/logs?limit=0", "limit: expected a whole number between 1 and 1000"),
        ("/runs/0000000000000000/logs?cursor=x", "cursor: expected what `next` was"),
        ("/runs/0000000000000000/marks?limit=10001", "limit: expected a whole number"),
    ],
)
def test_a_bad_question_of_runs_is_refused_by_its_parameter(
    taker: Embedded, path: str, error: str
) -> None:
    answer = taker.client.get(f"/api/v1{path}")
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)
