"""What the SQLite store answers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.store import Delivery, Store, Stored
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from .deliveries import curve, delivery, detection, entry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = SqliteStore(tmp_path / "processor.db")
    yield store
    store.close()


def test_a_delivery_is_new_once(store: Store) -> None:
    assert store.write([delivery("a", curve("loss", 2)), delivery("a", curve("loss", 2))]) == [
        True,
        False,
    ]
    assert store.write([delivery("a", curve("loss", 9))]) == [False]
    assert store.sources("w") == [{"name": "wandb", "count": 2}]


def test_a_point_of_two_deliveries_is_one_and_the_first_stays(store: Store) -> None:
    store.write([delivery("a", [Stored("loss", 1, 5.0, 0.5)])])
    store.write([delivery("b", [Stored("loss", 1, 5.0, 0.7), Stored("loss", 2, 6.0, 0.4)])])
    assert [(point["iteration"], point["value"]) for point in store.points("w")] == [(1, 0.5), (2, 0.4)]
    assert store.available("w") == [{"name": "loss", "data_source": ["wandb"], "count": 2}]
    assert store.runs("w")[0]["points"] == store.workloads()["workloads"][0]["points"] == 2


def test_points_come_by_time_name_and_step(store: Store) -> None:
    points = [
        Stored("b", 1, 5.0, 1.0),
        Stored("a", 2, 5.0, 2.0),
        Stored("a", 1, 5.0, 3.0),
        Stored("z", 9, 4, 4),
    ]
    store.write([delivery("a", points)])
    found = [(point["metric_name"], point["iteration"]) for point in store.points("w")]
    assert found == [("z", 9), ("a", 1), ("a", 2), ("b", 1)]
    assert store.points("w")[0] == {
        "metric_name": "z",
        "value": 4.0,
        "timestamp": 4.0,
        "iteration": 9,
        "data_source": "wandb",
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
        "detected_at": 30.0,
    }
    assert store.workloads()["workloads"][0]["framework"] == "c"


def test_a_run_is_as_its_latest_record_describes_it(store: Store) -> None:
    late = detection("a", 0.9, 60, name="blue", project="p", config={"lr": {"max": 1}}, tags=["x"])
    early = detection("a", 0.9, 50, name="green", project="q")
    store.write([delivery("a", curve("loss", 3), detections=[late])])
    store.write([delivery("b", detections=[early], received=1010.0)])
    assert store.runs("w") == [
        {
            "run_id": "r",
            "name": "blue",
            "project": "p",
            "config": {"lr": {"max": 1}},
            "tags": ["x"],
            "started": 50.0,
            "last_seen": 1010.0,
            "points": 3,
            "last_step": 2,
        }
    ]


def test_runs_come_newest_first_and_what_belongs_to_none_is_no_run(store: Store) -> None:
    store.write(
        [
            delivery(run, curve("loss", 1, first), run_id=run)
            for run, first in [("a", 0), ("b", 9), ("", 4)]
        ]
    )
    assert [run["run_id"] for run in store.runs("w")] == ["b", "a"]
    assert store.runs("nobody") == []


def test_workloads_are_found_by_any_of_their_names_and_paged(store: Store) -> None:
    pod = {"pod_uid": "u", "pod_name": "Trainer-0"}
    named = detection("a", 0.9, 1, name="50%_off", project="llama")
    store.write(
        [delivery(str(n), curve("x", n), workload=f"w-{n}", received=1000.0 + n) for n in range(5)]
    )
    store.write([delivery("a", workload="w-3", pod=pod, received=900.0, detections=[named])])

    def uids(*how: object) -> list[str]:
        return [found["uid"] for found in store.workloads(*how)["workloads"]]  # type: ignore[arg-type]

    assert uids() == ["w-4", "w-3", "w-2", "w-1", "w-0"]
    assert (uids("", 2, 1), store.workloads("", 2, 1)["total_count"]) == (["w-3", "w-2"], 5)
    assert uids("trainer") == uids("LLAMA") == uids("0%_o") == uids("-3") == ["w-3"]
    assert uids("%") == ["w-3"]
    assert uids("__") == uids("!") == []
    assert store.workloads("w-3")["workloads"] == [
        {
            "uid": "w-3",
            "framework": "a",
            "runs": 1,
            "points": 3,
            "first_seen": 900.0,
            "last_seen": 1003.0,
        }
    ]


def test_a_log_entry_of_two_deliveries_is_one(store: Store, tmp_path: Path) -> None:
    store.write([delivery("a", entries=[entry(1, note="hot"), entry(2, note="hot")])])
    store.write([delivery("b", entries=[entry(2, note="hot"), entry(2, note="cold")])])
    assert count(tmp_path, "log_entry") == 3


def test_a_record_of_two_deliveries_is_one_and_each_record_is_kept(store: Store, tmp_path: Path) -> None:
    first, second = detection("a", 0.9, 10), detection("b", 0.8, 20)
    store.write([delivery("a", detections=[first]), delivery("b", detections=[first, second])])
    assert count(tmp_path, "detection") == 2


def test_the_last_value_of_a_series_is_that_of_its_highest_step(store: Store, tmp_path: Path) -> None:
    store.write([delivery("a", curve("loss", 10, first=5))])
    store.write([delivery("b", curve("loss", 3))])
    facts = ask(
        tmp_path, "SELECT first_step, last_step, first_ts, last_ts, last_value, count FROM series"
    )
    assert facts == [(0, 14, 100.0, 114.0, 7.0, 13)]


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (delivery("bad", [Stored("loss", 2**63, 5.0, 0.5)]), OverflowError),
        (delivery("bad", [Stored("loss", 1, 5.0, float("nan"))]), sqlite3.IntegrityError),
        (delivery("bad", [Stored("\ud800", 1, 5.0, 0.5)]), UnicodeEncodeError),
    ],
    ids=["step", "NaN", "surrogate"],
)
def test_a_delivery_that_cannot_be_stored_leaves_nothing_behind(
    store: Store, bad: Delivery, error: type[Exception]
) -> None:
    with pytest.raises(error):
        store.write([delivery("good", curve("loss", 1)), bad])
    assert store.workloads() == {"workloads": [], "total_count": 0}
    assert store.write([delivery("good", curve("loss", 1))]) == [True]


def ask(folder: Path, question: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "processor.db")) as connection:
        return connection.execute(question).fetchall()


def count(folder: Path, table: str) -> object:
    return ask(folder, f"SELECT count(*) FROM {table}")[0][0]
