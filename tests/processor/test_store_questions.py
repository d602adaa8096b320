"""What every store answers of the service's questions."""

from __future__ import annotations

import pytest

from primus_lens_wandb_exporter.processor.store import Full, Position, Store, Stored, StoreError
from primus_lens_wandb_exporter.processor.store.identity import run_id, series_id

from .deliveries import curve, delivery, detection, entry

RUN = run_id("w", "r")
TAGS: list[tuple[tuple[str, str], ...]] = [(), (("gpu", "0"),), (("gpu", "1"),)]


def test_a_delivery_is_new_once(store: Store) -> None:
    assert store.write([delivery("a", curve("loss", 2)), delivery("a", curve("loss", 2))]) == [
        True,
        False,
    ]
    assert store.write([delivery("a", curve("loss", 9))]) == [False]
    assert store.sources("w") == [{"name": "wandb", "count": 2}]


def test_a_point_of_two_deliveries_is_one_and_the_first_stays(store: Store) -> None:
    store.write([delivery("a", [Stored("loss", 1, 5, 0.5)])])
    store.write([delivery("b", [Stored("loss", 1, 5, 0.7), Stored("loss", 2, 6, 0.4)])])
    assert [(point["iteration"], point["value"]) for point in store.points("w")] == [(1, 0.5), (2, 0.4)]
    assert store.available("w") == [{"name": "loss", "data_source": ["wandb"], "count": 2}]
    assert store.runs(2000)["runs"][0]["points"] == store.workloads(0)["workloads"][0]["points"] == 2


def test_points_come_by_time_name_and_step(store: Store) -> None:
    points = [
        Stored("b", 1, 5, 1.0),
        Stored("a", 2, 5, 2.0),
        Stored("a", 1, 5, 3.0),
        Stored("z", 9, 4, 4.0),
    ]
    store.write([delivery("a", points)])
    found = [(point["metric_name"], point["iteration"]) for point in store.points("w")]
    assert found == [("z", 9), ("a", 1), ("a", 2), ("b", 1)]
    assert store.points("w")[0] == {
        "metric_name": "z",
        "value": 4.0,
        "timestamp": 4,
        "iteration": 9,
        "data_source": "wandb",
        "run_id": "r",
        "series": series_id("w", "r", "wandb", "z", ()),
    }


def test_points_are_chosen_by_name_source_and_time_and_no_more_are_read_than_asked(store: Store) -> None:
    system = delivery("b", curve("gpu", 3), source="system", run_id="")
    other = delivery("c", curve("loss", 5), workload="other")
    store.write([delivery("a", curve("loss", 5) + curve("it's", 1)), system, other])

    def steps(**how: object) -> list[int]:
        return [point["iteration"] for point in store.points("w", **how)]  # type: ignore[arg-type]

    assert steps(names=["loss", "none"]) == [0, 1, 2, 3, 4]
    assert steps(names=["it's"]) == [0]
    assert steps(source="system") == [0, 1, 2]
    assert steps(names=["loss"], start=101, end=103) == [1, 2, 3]
    assert steps(names=["loss"], start=200) == steps(names=["loss"], end=1) == []
    assert steps(names=["loss"], limit=2) == [0, 1]


def test_a_metric_of_two_sources_names_both(store: Store) -> None:
    store.write([delivery("a", curve("loss", 3)), delivery("b", curve("loss", 2), source="tensorboard")])
    assert store.sources("w") == [{"name": "tensorboard", "count": 2}, {"name": "wandb", "count": 3}]
    assert store.available("w") == [
        {"name": "loss", "data_source": ["tensorboard", "wandb"], "count": 5}
    ]
    assert store.available("w", "wandb") == [{"name": "loss", "data_source": ["wandb"], "count": 3}]


def test_of_several_detections_the_surest_speaks_and_of_equals_the_latest(store: Store) -> None:
    assert store.detection("w") is None
    found = [
        detection("a", 0.8, 10),
        detection("b", 0.9, 20),
        detection("c", 0.9, 30),
        detection("d", 0.5, 40),
    ]
    store.write([delivery("a", detections=found)])
    assert store.detection("w") == {
        "framework": "c",
        "framework_layer": "wrapper",
        "wrapper_framework": "c",
        "base_framework": "megatron",
        "confidence": 0.9,
        "method": "loaded",
        "indicators": ["c"],
        "detected_at": 30,
    }
    assert store.workloads(0)["workloads"][0]["framework"] == "c"


def test_workloads_are_found_by_any_of_their_names_and_paged(store: Store) -> None:
    pod = {"pod_uid": "u", "pod_name": "Trainer-0"}
    named = detection("a", 0.9, 1, name="50%_off", project="llama")
    store.write(
        [delivery(str(n), curve("x", n), workload=f"w-{n}", received=1000 + n) for n in range(5)]
    )
    store.write([delivery("a", workload="w-3", pod=pod, received=900, detections=[named])])

    def uids(*how: object) -> list[str]:
        return [found["uid"] for found in store.workloads(0, *how)["workloads"]]  # type: ignore[arg-type]

    assert uids() == ["w-4", "w-3", "w-2", "w-1", "w-0"]
    assert (uids("", 2, 1), store.workloads(0, "", 2, 1)["total_count"]) == (["w-3", "w-2"], 5)
    assert uids("trainer") == uids("LLAMA") == uids("0%_o") == uids("-3") == ["w-3"]
    assert uids("%") == ["w-3"]
    assert uids("__") == uids("!") == []
    assert store.workloads(0, "w-3")["workloads"] == [
        {
            "uid": "w-3",
            "framework": "a",
            "runs": 1,
            "points": 3,
            "first_seen": 900,
            "last_seen": 1003,
            "pod_count": 1,
            "silent_count": 0,
        }
    ]


def test_a_log_entry_of_two_deliveries_is_one(store: Store) -> None:
    store.write([delivery("a", entries=[entry(1, note="hot"), entry(2, note="hot")])])
    store.write([delivery("b", entries=[entry(2, note="hot"), entry(2, note="cold")])])
    assert len(store.entries(RUN, 9)) == 3


def test_points_are_paged_also_where_many_are_of_one_time(store: Store) -> None:
    points = [Stored(name, step, 5, 0.5, tags) for name in "ba" for step in (2, 1) for tags in TAGS]
    store.write([delivery("a", points), delivery("b", points[:3], run_id="other")])
    whole = store.points("w")
    paged: list[dict[str, object]] = []
    after = None
    while page := store.points("w", limit=4, after=after):
        paged += page
        last = page[-1]
        after = Position(last["timestamp"], last["metric_name"], last["iteration"], last["series"])
    assert paged == whole
    assert len(whole) == 15
    assert store.points("w", names=["a"], start=6, after=Position(5, "a", 1, 0)) == []


def test_of_reports_of_one_moment_the_first_source_speaks(store: Store) -> None:
    for value, source in enumerate("hgfedcba"):
        points = [Stored(name, 7, 5, float(value)) for name in ("loss", "target_iteration")]
        store.write([delivery(source, points, source=source)])
    found = [(row["metric_name"], row["value"], row["data_source"]) for row in store.iterations("w")]
    assert found == [("iteration", 7.0, "a"), ("target_iteration", 7.0, "a")]


def test_iterations_are_paged_by_time_name_and_step(store: Store) -> None:
    targets = [Stored("target_iteration", step, 5, 9.0) for step in (1, 2)]
    store.write([delivery("a", [Stored("loss", step, 5, 0.5) for step in (3, 1, 2)] + targets)])
    whole = store.iterations("w")
    assert [(row["metric_name"], row["iteration"], row["value"]) for row in whole] == [
        ("iteration", 1, 1.0),
        ("iteration", 2, 2.0),
        ("iteration", 3, 3.0),
        ("target_iteration", 1, 9.0),
        ("target_iteration", 2, 9.0),
    ]
    assert store.iterations("w", limit=2, after=Position(5, "iteration", 2, 0)) == whole[2:4]
    assert store.iterations("w", after=Position(5, "target_iteration", 2, 0)) == []


@pytest.mark.parametrize(
    "bad",
    [Stored("loss", 2**63, 5, 0.5), Stored("loss", 1, 5, float("nan")), Stored("\ud800", 1, 5, 0.5)],
    ids=["step", "NaN", "surrogate"],
)
def test_a_delivery_that_cannot_be_stored_leaves_nothing_behind(store: Store, bad: Stored) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each engine has its own
        store.write([delivery("good", curve("loss", 1)), delivery("bad", [bad])])
    assert not isinstance(caught.value, (Full, StoreError))
    assert store.workloads(0) == {"workloads": [], "total_count": 0}
    assert store.write([delivery("good", curve("loss", 1))]) == [True]


def test_a_question_may_hold_what_no_name_does(store: Store) -> None:
    store.write([delivery("a", curve("loss", 1))])
    assert store.points("w\0") == store.points("w", names=["\0"]) == store.sources("\0") == []
