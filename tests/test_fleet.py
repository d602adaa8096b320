"""A small one of the fleets that are measured: many exporters, and a processor that goes away."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from benchmarks.fleet.database import log_written, sizes
from benchmarks.fleet.fleet import Logbook, fleet
from benchmarks.fleet.ledger import Ledger, balance
from benchmarks.fleet.pod import ANSWERED, Request, job_of, run_of, workload_of
from benchmarks.fleet.replicas import replicas
from benchmarks.fleet.stretches import Restart
from primus_lens_wandb_exporter.processor.store import Delivery, Stored
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from .support.postgres import MISSING, postgres_server

PODS = 50
IN_A_HURRY = 0.05  # of the time between two log calls that a job would take
ENOUGH = 60.0  # seconds


def test_a_fleet_whose_processor_goes_away_and_comes_back_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    database = str(tmp_path / "fleet.db")
    with replicas(tmp_path, [database]) as (processor,):
        with fleet(tmp_path, PODS, [f"{processor.url}/api/v1"]) as pods:
            pods.pace(IN_A_HURRY)
            pods.grow(PODS // 2, 0.5)
            assert processor.end() == 0
            pods.grow(PODS, 0.5)
            processor.start()
            assert processor.end(signal.SIGKILL) == -signal.SIGKILL
            processor.start()
            pods.rest(ENOUGH)
            logbook = pods.end()
        assert processor.end() == 0
    assert len(logbook.pods) == PODS
    assert {request.pod for request in logbook.requests if request.answer != ANSWERED}
    ledger = balance(database, logbook.pods)
    assert all(16 < size < 4096 for _, size in sizes(database))
    assert ledger.logged == ledger.stored > 0
    assert ledger == Ledger(ledger.logged, ledger.stored, 0, 0, {}, 0, 0, 0)


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_a_fleet_of_two_processors_on_one_postgresql_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with postgres_server() as server, server.database() as database:
        with replicas(tmp_path, [database, database]) as processors:
            urls = [f"{processor.url}/api/v1" for processor in processors]
            with fleet(tmp_path, PODS, urls) as pods:
                pods.pace(IN_A_HURRY)
                pods.grow(PODS, 1)
                pods.rest(ENOUGH)
                logbook = pods.end()
            assert [processor.end() for processor in processors] == [0, 0]
        ledger = balance(database, logbook.pods)
        assert all(16 < size < 4096 for _, size in sizes(database))
        assert log_written(database) > 100 * ledger.stored
    assert ledger.logged == ledger.stored > 0
    assert ledger == Ledger(ledger.logged, ledger.stored, 0, 0, {}, 0, 0, 0)


def test_a_fleet_has_the_settings_that_it_is_given(tmp_path: Path) -> None:
    settings = {
        "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "3600",
        "PRIMUS_LENS_WANDB_BATCH_SIZE": "1000",
    }
    with (
        replicas(tmp_path, [str(tmp_path / "fleet.db")]) as (processor,),
        fleet(tmp_path, 10, [f"{processor.url}/api/v1"], settings) as pods,
    ):
        pods.pace(IN_A_HURRY)
        pods.grow(10, 2)
        ended = time.monotonic()
        logbook = pods.end()
    sent = [request.began for request in logbook.requests if request.points]
    assert sent
    assert min(sent) > ended  # by default some would have sent before


def test_the_ledger_sees_points_that_are_missing_and_points_that_are_there_twice(tmp_path: Path) -> None:
    database = str(tmp_path / "fleet.db")
    store = SqliteStore(Path(database))
    name = job_of(0).metrics[0]
    points = [Stored(name, step, time, 0.5) for step, time in ((0, 1), (1, 2), (1, 3))]
    store.write([Delivery("key", workload_of(0), "wandb", 9, run_of(0), points=points)])
    store.close()
    pod = {"number": 0, "calls": 2, "pending": {"metrics": 0}, "dropped": {"metrics": {}}}
    ledger = balance(database, [pod])
    metrics = len(job_of(0).metrics)
    assert (ledger.logged, ledger.stored) == (2 * metrics, 3)
    assert (ledger.missing, ledger.doubled) == (2 * (metrics - 1), 1)
    assert (ledger.unannounced, ledger.unended) == (1, 1)
    lossy = {**pod, "dropped": {"metrics": {"queue_full": ledger.missing}}}
    assert balance(database, [lossy]).missing == 0
    late = balance(database, [{**pod, "pending": {"metrics": ledger.missing}}])
    assert (late.missing, late.pending) == (0, ledger.missing)
    once = {**pod, "calls": 1}
    assert balance(database, [once]).doubled == 3  # one of them is of a step that was never logged
    assert balance(database, []).doubled == 3
    thrice = {**pod, "calls": 3}  # step 2 is not there, and step 1 twice
    assert balance(database, [thrice]).missing == 3 * (metrics - 1) + 1
    assert balance(database, [thrice]).doubled == 1


def test_what_is_told_of_a_restart_is_who_came_back_when_and_until_when_much_waited() -> None:
    def asked(pod: int, at: float, answer: str = ANSWERED) -> Request:
        return Request(pod, at, 0.25, answer, 1, 100)

    requests = [
        asked(0, 90.0),
        *(asked(pod, 101.0, "unreachable") for pod in (0, 1, 2, 4)),
        asked(4, 104.5),  # of a processor that was back before the other
        asked(4, 115.5),
        *(asked(0, at) for at in (105.5, 106.5)),
        asked(1, 106.0, "busy"),
        asked(1, 108.5),
        asked(3, 105.5),  # has met nothing
        asked(2, 121.0),
    ]
    waiting = [(99.0, 10), (104.0, 90), (107.0, 12), (108.0, 11), (119.0, 5)]
    logbook = Logbook([{"requests": requests, "pods": [], "waiting": waiting, "latest": 0.5}])
    told = {
        row.what: row.figure.value
        for row in Restart("", 10, 100.0, 105.0, 120.0).rows(logbook)
        if row.figure
    }
    assert told == {
        "away": 5,
        "pods that met it": 4,
        "… first answered before the last processor was back": 1,
        "… first answered in second 0 to 1": 1,
        "… first answered in second 3 to 4": 1,
        "… later, or not in this time": 1,
        "most requests in one second": 2,
        "an answer, p50": 250,
        "an answer, p99": 250,
        "requests that met `busy`": 1,
        "requests that met `unreachable`": 4,
        "waits in a pod, before": 1,
        "waits in a pod, when they are back": 9,
        "until no more waits than before": 3,
    }
