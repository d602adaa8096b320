"""Which pods are silent: they announced themselves, went quiet, and told no end."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store import (
    CRASHED_AFTER,
    MOST_OPEN,
    MOST_SILENT,
    SECOND,
    SILENCE_TOLD,
    Delivery,
    Event,
    Store,
)
from primus_lens_wandb_exporter.processor.store.identity import run_id

from ..support import bodies
from ..support.embedded import Embedded
from .deliveries import curve, delivery, detection, entry

START = 10**15
QUIET = START + CRASHED_AFTER  # who was heard of at `START` last is silent from now on
STARTED = Event("started", START - 10, host="node-1", pid=42)
FINISHED = Event("finished", START - 5, exit_code=0, cause="finish")
KILLED = Event("failed", START - 5, exit_code=143, cause="SIGTERM")
SELDOM = Event("started", START + 5)


def told(pod: str, run: str = "r", at: int = START, uid: str = "", **content: Any) -> Delivery:
    """What a pod says of a run."""
    whose = {"pod_uid": uid or f"uid of {pod}", "pod_name": pod}
    key = f"{pod} {run} {at} {uid} {content}"
    return replace(delivery(key, pod=whose, run_id=run, received=at), **content)


def began(pod: str, run: str = "r", at: int = START, **more: Any) -> Delivery:
    """That a pod began a run."""
    return told(pod, run, at, events=[STARTED], **more)


def silent(store: Store, now: int = QUIET, **how: Any) -> list[str]:
    """Return the names of the silent pods of all workloads, which all answers must agree on."""
    listed = store.workloads(now, silent=True, **how)
    names = []
    pods = store.silent_pods(now, [row["uid"] for row in listed["workloads"]], **how)
    for row in listed["workloads"]:
        assert row["silent_count"] == len(pods[row["uid"]]) > 0
        names += [pod["pod_name"] for pod in pods[row["uid"]]]
    assert listed["total_count"] == len(listed["workloads"]) == len(pods)
    assert store.count_silent_pods(now, **how) == len(names)
    return sorted(names)


def test_a_pod_that_announced_itself_and_was_not_heard_of_for_five_minutes_is_silent(
    store: Store,
) -> None:
    known = replace(detection("a", 0.9, START - 20, name="blue"), rank=3)
    store.write([told("p", detections=[known]), began("p")])
    store.write([told("p", at=START + SECOND, points=curve("loss", 2))])
    assert silent(store, QUIET) == []
    assert store.silent_pods(QUIET + SECOND, ["w", "x"]) == {
        "w": [
            {
                "pod_uid": "uid of p",
                "pod_name": "p",
                "namespace": "",
                "host": "node-1",
                "pid": 42,
                "rank": 3,
                "announced": START - 10,
                "last_seen": START + SECOND,
                "last_sent": "points",
                "last_data": START + SECOND,
                "open_runs": [{"id": run_id("w", "r"), "run_id": "r", "name": "blue", "rank": 3}],
            }
        ]
    }
    assert silent(store, QUIET + SECOND) == ["p"]


@pytest.mark.parametrize(
    ("announced", "last_sent"),
    [({"detections": [detection("a", 0.9, 1)]}, "detection"), ({"events": [STARTED]}, "started")],
)
def test_a_pod_that_never_sent_a_value_is_silent(
    store: Store, announced: dict[str, Any], last_sent: str
) -> None:
    store.write([told("p", **announced)])
    assert silent(store) == ["p"]
    (pod,) = store.silent_pods(QUIET, ["w"])["w"]
    assert (pod["last_data"], pod["last_sent"]) == (None, last_sent)


def test_a_pod_that_describes_itself_again_announced_itself_at_first(store: Store) -> None:
    def described(at: int) -> Delivery:
        return told("p", detections=[detection("a", 0.9, START - at)])

    store.write([described(20), described(40), described(30)])
    store.write([described(10)])
    (pod,) = store.silent_pods(QUIET, ["w"])["w"]
    assert pod["announced"] == START - 40


def test_who_never_announced_itself_or_is_no_pod_is_not_silent(store: Store) -> None:
    store.write([told("p", points=curve("loss", 2))])
    store.write([delivery("no pod", events=[STARTED], received=START)])
    assert silent(store) == []


@pytest.mark.parametrize("end", [FINISHED, KILLED], ids=["finished", "failed"])
def test_a_pod_that_told_the_end_of_its_runs_is_not_silent(store: Store, end: Event) -> None:
    store.write([began("p"), told("p", events=[end])])
    assert silent(store) == []
    late = detection("a", 0.9, START)  # was on its way while the run ended
    store.write([told("p", detections=[late], entries=[entry(1, a=1)])])
    assert silent(store) == []
    store.write([told("p", at=START + 1, events=[SELDOM])])
    assert silent(store, QUIET + 1) == ["p"]


def test_the_end_of_another_pods_part_in_the_run_is_not_its_own(store: Store) -> None:
    store.write([began("p-0"), began("p-1"), told("p-0", events=[FINISHED])])
    assert silent(store) == ["p-1"]


def test_a_pod_that_is_heard_of_by_another_run_is_not_silent(store: Store) -> None:
    store.write([began("p"), began("p", "other"), told("p", "other", QUIET, points=curve("x", 1))])
    assert silent(store) == []
    assert silent(store, QUIET + CRASHED_AFTER) == ["p"]
    (pod,) = store.silent_pods(QUIET + CRASHED_AFTER, ["w"])["w"]
    assert [run["run_id"] for run in pod["open_runs"]] == ["other", "r"]
    assert pod["last_seen"] == QUIET


def test_a_process_that_was_killed_is_forgiven_when_its_pod_begins_another_run(store: Store) -> None:
    store.write([began("p"), began("p", "again", START + 1)])
    assert silent(store, QUIET + 1) == ["p"]
    store.write([told("p", "again", START + 2, events=[Event("finished", START + 2)])])
    assert silent(store, QUIET + 2) == []


def test_a_pod_is_gone_when_another_of_its_name_reports(store: Store) -> None:
    store.write([began("p"), began("q"), began("p", at=START + 1, uid="new")])
    assert silent(store) == ["q"]
    assert silent(store, QUIET + 1) == ["p", "q"]
    assert store.silent_pods(QUIET + 1, ["w"])["w"][0]["pod_uid"] == "new"


def test_pods_without_a_name_are_told_apart_by_their_uid(store: Store) -> None:
    for number in (1, 2):
        pod = {"pod_uid": str(number)}
        told = delivery(str(number), pod=pod, events=[STARTED], received=START + number)
        store.write([told])
    assert silent(store, QUIET + 2) == ["", ""]


def test_a_pod_that_went_quiet_long_ago_is_no_news_unless_asked_for(store: Store) -> None:
    store.write([began("p")])
    assert silent(store, START + SILENCE_TOLD) == ["p"]
    assert silent(store, START + SILENCE_TOLD + 1) == []
    assert silent(store, START + SILENCE_TOLD + 1, since=START) == ["p"]
    assert silent(store, since=START + 1) == []


def test_the_list_of_all_workloads_counts_pods_and_the_silent_ones(store: Store) -> None:
    store.write([began("p"), began("q"), told("q", events=[FINISHED]), told("q", "other")])
    store.write([replace(began("z"), workload="other", received=QUIET), delivery("x", workload="none")])
    found = {
        row["uid"]: (row["pod_count"], row["silent_count"])
        for row in store.workloads(QUIET)["workloads"]
    }
    assert found == {"w": (2, 1), "other": (1, 0), "none": (0, 0)}


def test_workloads_with_silent_pods_are_searched_and_paged(store: Store) -> None:
    for number in range(4):
        store.write([replace(began(f"p-{number}"), workload=f"w-{number}", received=START - number)])
    page = store.workloads(QUIET, "p-", 2, 1, silent=True)
    assert ([row["uid"] for row in page["workloads"]], page["total_count"]) == (["w-1", "w-2"], 4)
    assert store.workloads(QUIET, "P-3", silent=True)["total_count"] == 1
    assert store.workloads(QUIET, "none", silent=True)["total_count"] == 0


def test_of_very_many_some_are_named_and_all_are_counted(store: Store) -> None:
    runs = [f"r-{number}" for number in range(MOST_OPEN + 1)]
    store.write([began(f"p-{number:03d}", "x") for number in range(MOST_SILENT)])
    store.write([began("p-000", run) for run in runs] + [began("p-999", "x")])
    pods = store.silent_pods(QUIET, ["w"])["w"]
    assert [len(pod["open_runs"]) for pod in pods] == [MOST_OPEN] + [1] * (MOST_SILENT - 1)
    assert [pod["pod_name"] for pod in pods] == [f"p-{number:03d}" for number in range(MOST_SILENT)]
    assert store.workloads(QUIET)["workloads"][0]["silent_count"] == MOST_SILENT + 1


def test_what_a_pod_told_is_the_same_in_whatever_order_it_comes(store: Store) -> None:
    parts = [
        told("p", at=START + 4, points=curve("loss", 1)),
        told("p", at=START + 1, events=[STARTED]),
        told("p", at=START + 3, events=[Event("started", START, "node-2", pid=43)]),
        told("p", at=START + 2, detections=[replace(detection("a", 0.9, START + 7), rank=1)]),
    ]
    seen = []
    for number, order in enumerate(permutations(parts)):
        for together in (True, False):
            workload = f"{number} {together}"
            mine = [replace(part, workload=workload, key=f"{workload} {part.key}") for part in order]
            for group in [mine] if together else [[part] for part in mine]:
                store.write(group)
            (pod,) = store.silent_pods(QUIET + 4, [workload])[workload]
            del pod["open_runs"][0]["id"]
            seen.append(pod)
    assert all(pod == seen[0] for pod in seen)
    assert (seen[0]["host"], seen[0]["pid"], seen[0]["rank"]) == ("node-2", 43, 1)
    assert (seen[0]["last_sent"], seen[0]["announced"]) == ("points", START)


def test_old_workloads_take_what_their_pods_told_with_them(store: Store) -> None:
    store.write([began("p"), began("q", "other")])
    while store.forget(before=QUIET, rows=1):
        pass
    assert silent(store) == []
    store.write([told("p", points=curve("loss", 1))])
    assert store.workloads(QUIET)["workloads"][0]["pod_count"] == 1


def ago(taker: Embedded, seconds: float, *parts: Delivery) -> None:
    """Store what came so long ago, which no client can feign."""
    at = time.time_ns() // 1000 - round(seconds * SECOND)
    taker.store.write([replace(part, received=at) for part in parts])


def test_the_api_tells_the_silent_pods(taker: Embedded) -> None:
    ago(taker, 3600, began("quiet"))
    taker.post("detection", bodies.detection())
    event = {"kind": "started", "host": "node-7", "pid": 7, "exit_code": None, "cause": "init"}
    taker.post("logs", bodies.logs({"primus_lens.event": event}, pod_name="alive"))
    (workload,) = taker.get("/workloads")["workloads"]
    assert (workload["pod_count"], workload["silent_count"], "pods" in workload) == (3, 1, False)
    (workload,) = taker.get("/workloads", silent=1)["workloads"]
    (pod,) = workload["pods"]
    assert (pod["pod_uid"], pod["announced"], pod["last_data"]) == (
        "uid of quiet",
        STARTED.timestamp // 1000,
        None,
    )
    assert pod["open_runs"] == [
        {"key": format(run_id("w", "r"), "016x"), "run_id": "r", "name": "first", "rank": None}
    ]
    assert taker.get("/workloads", silent="true", since=pod["last_seen"] + 1)["workloads"] == []
    for no in ("0", "false", ""):
        assert "pods" not in taker.get("/workloads", silent=no)["workloads"][0]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("silent=yes", "silent: expected 0, 1, false, true"),
        ("silent=2", "silent: expected 0, 1, false, true"),
        ("silent=1&since=yesterday", "since: expected Unix milliseconds"),
    ],
)
def test_a_bad_question_is_refused_by_its_parameter(taker: Embedded, query: str, error: str) -> None:
    answer = taker.client.get(f"/api/v1/workloads?{query}")
    assert (answer.status_code, answer.json()) == (400, {"error": error})
