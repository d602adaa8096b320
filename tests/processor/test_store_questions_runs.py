"""What every store answers of runs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store import (
    CRASHED_AFTER,
    PAGE_OF_ENTRIES,
    Entry,
    Event,
    Store,
)
from primus_lens_wandb_exporter.processor.store.identity import digest, run_id
from primus_lens_wandb_exporter.processor.store.loss import choose_loss

from .deliveries import curve, delivery, detection, entry

RUN = run_id("w", "r")


def found(store: Store, now: int = 2000, **how: Any) -> list[str]:
    answer = store.runs(now, **how)
    assert answer["total_count"] >= len(answer["runs"])
    return [run["run_id"] for run in answer["runs"]]


def states(store: Store, now: int) -> dict[str, str]:
    return {run["run_id"]: run["state"] for run in store.runs(now)["runs"]}


def test_a_run_is_as_its_latest_record_describes_it(store: Store) -> None:
    late = detection("a", 0.9, 60, name="blue", project="p", config={"lr": {"max": 1}}, tags=["x"])
    early = detection("a", 0.9, 50, name="green", project="q")
    began = Event("started", 40, host="node-1")
    pod = {"pod_uid": "u", "pod_name": "p-0", "namespace": "n"}
    store.write([delivery("a", curve("train/loss", 3), detections=[late], events=[began], pod=pod)])
    store.write([delivery("b", detections=[early], received=1010)])
    row = {
        "id": RUN,
        "workload": "w",
        "run_id": "r",
        "name": "blue",
        "project": "p",
        "tags": ["x"],
        "state": "running",
        "host": "node-1",
        "framework": "a",
        "gpu_name": "",
        "gpu_count": None,
        "started": 40,
        "ended": None,
        "last_seen": 1010,
        "points": 3,
        "last_step": 2,
        "exit_code": None,
        "cause": "",
        "loss": {"name": "train/loss", "value": 1.0},
    }
    assert store.runs(2000) == {"runs": [row], "total_count": 1}
    whole = store.run(RUN, 2000)
    assert whole is not None
    texts = [json.loads(whole.pop(name)) for name in ("config", "evidence", "hints")]
    assert texts == [{"lr": {"max": 1}}, json.loads(late.evidence), {}]
    assert whole == {**row, "verdict": dict(late.verdict), "pods": [pod]}
    assert store.run(RUN + 1, 2000) is None


def test_a_run_names_the_pods_that_report_of_it_and_no_others_of_its_workload(store: Store) -> None:
    pods = [{"pod_uid": uid, "pod_name": "p", "namespace": "n"} for uid in ("1", "2", "3")]
    for pod, run in zip(pods, ("r", "other", "r")):
        store.write([delivery(pod["pod_uid"], curve("x", 1), run_id=run, pod=pod)])
    store.write([delivery("a", curve("x", 2), pod={"pod_uid": "1", "pod_name": "p"})])
    found = [store.run(run_id("w", run), 2000) for run in ("r", "other")]
    assert [one and one["pods"] for one in found] == [[pods[0], pods[2]], [pods[1]]]


def test_a_run_without_a_record_has_no_evidence(store: Store) -> None:
    store.write([delivery("a", curve("acc", 1))])
    whole = store.run(RUN, 2000)
    assert whole is not None
    assert [whole[name] for name in ("evidence", "hints", "verdict", "loss")] == [None] * 4
    assert (whole["config"], whole["tags"], whole["pods"]) == ("{}", [], [])


def test_configs_are_asked_for_by_run(store: Store) -> None:
    described = detection("a", 0.9, 60, config={"lr": 1})
    store.write([delivery("a", detections=[described]), delivery("b", curve("x", 1), run_id="other")])
    assert store.configs([RUN, run_id("w", "other"), 5]) == {
        RUN: '{"lr": 1}',
        run_id("w", "other"): "{}",
    }
    assert store.configs([]) == {}


def test_a_page_of_large_log_entries_is_a_short_one(store: Store) -> None:
    text = "x" * (PAGE_OF_ENTRIES // 2)
    store.write([delivery("a", entries=[entry(step, text=text) for step in range(3)])])
    page = store.entries(RUN, 9)
    assert [row["step"] for row in page] == [2, 1]
    last = (page[-1]["timestamp"], page[-1]["step"], page[-1]["digest"])
    assert [row["step"] for row in store.entries(RUN, 9, last)] == [0]


def test_a_number_in_a_config_may_be_of_any_length(store: Store) -> None:
    long = detection("a", 0.9, 10)
    digits = '{"seed": ' + "9" * 5000 + "}"
    store.write([delivery("a", detections=[type(long)("r", 10, digits, "{}", {}, config=digits)])])
    whole = store.run(RUN, 2000)
    assert whole is not None
    assert whole["config"] == whole["evidence"] == digits


def test_the_latest_seen_run_comes_first_and_what_belongs_to_none_is_no_run(store: Store) -> None:
    for received, run in enumerate(["a", "b", "", "c"], 1000):
        store.write([delivery(run, curve("loss", 1), run_id=run, received=received)])
    store.write([delivery("z", run_id="a", received=1500), delivery("y", workload="v", run_id="other")])
    assert found(store, workload="w") == ["a", "c", "b"]
    assert found(store, workload="nobody") == []
    assert found(store, limit=2, offset=1) == ["c", "b"]
    assert store.runs(2000, limit=1)["total_count"] == 4


def test_a_run_that_is_not_heard_of_has_crashed_until_it_speaks_again(store: Store) -> None:
    ended = {"done": "finished", "broken": "failed"}
    store.write([delivery(run, run_id=run, events=[Event(ended[run], 900)]) for run in ended])
    store.write([delivery("quiet", curve("loss", 1), run_id="quiet")])
    assert states(store, 999 + CRASHED_AFTER) == {**ended, "quiet": "running"}
    late = 1000 + CRASHED_AFTER
    assert states(store, late) == {**ended, "quiet": "crashed"}
    assert found(store, late, states=["crashed"]) == ["quiet"]
    assert sorted(found(store, late, states=["finished", "failed"])) == ["broken", "done"]
    store.write([delivery("again", run_id="quiet", received=late)])
    assert found(store, late, states=["running"]) == ["quiet"]


def test_a_run_tells_how_it_ended(store: Store) -> None:
    events = [Event("started", 10, "node"), Event("failed", 90, "node", 1, "ValueError")]
    store.write([delivery("a", events=events)])
    (run,) = store.runs(2000)["runs"]
    assert [run[name] for name in ("started", "ended", "state", "exit_code", "cause", "host")] == [
        10,
        90,
        "failed",
        1,
        "ValueError",
        "node",
    ]


def test_runs_are_found_by_any_of_their_names(store: Store) -> None:
    pod = {"pod_uid": "u", "pod_name": "Trainer-0"}
    named = detection("a", 0.9, 1, run_id="x1", name="50%_off", project="llama")
    store.write([delivery("a", run_id="x1", detections=[named])])
    store.write([delivery("b", run_id="x2", workload="job", pod=pod)])
    assert (
        found(store, search="LLAMA")
        == found(store, search="0%_o")
        == found(store, search="X1")
        == ["x1"]
    )
    assert found(store, search="trainer") == found(store, search="job") == ["x2"]
    assert found(store, search="%x") == found(store, search="x_") == []
    assert found(store, search="x", workload="job", states=["running"]) == ["x2"]


def test_metrics_tell_what_is_known_of_each_series(store: Store) -> None:
    store.write([delivery("a", curve("loss", 10, first=5) + curve("gpu", 2, tags=(("id", "0"),)))])
    store.write([delivery("b", curve("loss", 3)), delivery("c", curve("loss", 1), run_id="other")])
    gpu, loss = store.metrics(RUN)
    assert loss == {
        "name": "loss",
        "source": "wandb",
        "tags": {},
        "count": 13,
        "first_step": 0,
        "last_step": 14,
        "first_ts": 100,
        "last_ts": 114,
        "last_value": 7.0,  # of its highest step
    }
    assert (gpu["name"], gpu["tags"]) == ("gpu", {"id": "0"})
    assert store.metrics(1) == []


def test_entries_come_latest_first_and_by_pages(store: Store) -> None:
    same = [Entry(step, 105, "{}") for step in (1, 2, 0)]
    store.write([delivery("a", entries=[entry(1, note="a"), *same[:2], entry(9, note="b")])])
    store.write([delivery("b", entries=same[2:])])
    whole = store.entries(RUN, 9)
    assert [row["timestamp"] for row in whole] == [109, 105, 105, 105, 101]
    assert [row["step"] for row in whole] == [9, 2, 1, 0, 1]
    assert (whole[0]["data"], whole[0]["step"], whole[0]["source"]) == ('{"note": "b"}', 9, "wandb")
    paged: list[dict[str, Any]] = []
    before = None
    while page := store.entries(RUN, 2, before):
        paged += page
        before = (page[-1]["timestamp"], page[-1]["step"], page[-1]["digest"])
    assert paged == whole


def test_entries_of_one_step_and_time_have_one_order_on_every_engine(store: Store) -> None:
    texts = [f'{{"n": {number}}}' for number in range(20)]
    for half in (texts[::2], texts[1::2]):
        store.write([delivery(half[0], entries=[Entry(1, 105, text) for text in half])])
    assert [row["data"] for row in store.entries(RUN, 99)] == sorted(texts, key=digest, reverse=True)


def test_marks_are_the_fields_that_were_no_finite_number(store: Store) -> None:
    deep = Entry(4, 104, '{"NaN": "NaN", "x": ' + '{"y":' * 3000 + "1" + "}" * 3001)
    plain = [entry(7, note="it is NaN", number=1, nothing=None), Entry(8, 108, '{"a": {"b": "NaN"}}')]
    store.write(
        [delivery("a", entries=[entry(9, loss="NaN", grad="-Infinity"), entry(2, x="Infinity")])]
    )
    store.write([delivery("b", entries=plain)])
    marks = [
        (mark["name"], mark["step"], mark["timestamp"], mark["value"]) for mark in store.marks(RUN, 9)
    ]
    assert marks == [("x", 2, 102, "Infinity"), ("grad", 9, 109, "-Infinity"), ("loss", 9, 109, "NaN")]
    assert len(store.marks(RUN, 1)) == 1
    store.write([delivery("c", entries=[deep])])
    assert len(store.marks(RUN, 9)) >= 3


@pytest.mark.parametrize(
    ("names", "loss"),
    [
        ([], None),
        (["acc", "lossless", "loss_scale", "glossy"], None),
        (["val_loss", "train/loss", "loss"], "loss"),
        (["train_loss_step", "val_loss", "actor/loss"], "train_loss_step"),
        (["lm-loss-training/lm loss", "loss-scale/loss-scale"], "lm-loss-training/lm loss"),
        (["eval/loss", "policyLoss"], "policyLoss"),
        (["eval/loss"], "eval/loss"),
    ],
)
def test_the_loss_is_found_by_name(names: list[str], loss: str | None) -> None:
    assert choose_loss(names) == loss
