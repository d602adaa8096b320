"""What runs say of themselves, in the store and from a real run through the real server."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store import Event, Store
from primus_lens_wandb_exporter.processor.store.identity import run_id

from ..support.ending import end
from ..support.scripts import ScriptRunner, clean_environ
from ..support.served import Server, served
from .deliveries import delivery

FIRST = [Event("started", 100, "a"), Event("failed", 200, "a", 143, "SIGTERM")]
SECOND = [Event("started", 300, "b"), Event("finished", 400, "b", 0, "finish")]
TOLD = ("state", "ended", "exit_code", "cause", "host")


def told(store: Store, run: str) -> tuple[Any, ...]:
    found = store.run(run_id("w", run), 2000)
    assert found is not None
    return tuple(found[name] for name in TOLD)


def in_order(events: Iterable[Event]) -> tuple[Any, ...]:
    """Return what is to be told of a run that said this, in the order in which it said it."""
    state, host, begun = ("running", None, None, ""), "", False
    for event in sorted(events, key=lambda event: event.timestamp):
        begun = begun or event.kind == "started"
        if event.kind == "started":
            state, host = ("running", None, None, ""), event.host
        else:
            state = (event.kind, event.timestamp, event.exit_code, event.cause)
            host = host if begun else event.host
    return (*state, host)


def test_events_may_come_in_any_order_and_again(store: Store) -> None:
    for count in range(1, 5):
        for number, events in enumerate(permutations(FIRST + SECOND, count)):
            run = f"{count}-{number}"
            for key, event in enumerate((*events, *events)):
                store.write([delivery(f"{run}-{key}", run_id=run, events=[event])])
            assert told(store, run) == in_order(events), events


def test_events_of_one_body_are_as_good(store: Store) -> None:
    store.write([delivery("a", events=SECOND + FIRST)])
    assert told(store, "r") == ("finished", 400, 0, "finish", "b")


def test_a_run_that_is_resumed_runs_again(store: Store) -> None:
    store.write([delivery("a", events=FIRST)])
    assert told(store, "r") == ("failed", 200, 143, "SIGTERM", "a")
    store.write([delivery("b", events=SECOND[:1])])
    assert told(store, "r") == ("running", None, None, "", "b")


def test_the_end_of_a_moment_comes_after_its_beginning(store: Store) -> None:
    moment = [Event("started", 100, "a"), Event("finished", 100, "a", 0, "exit")]
    for run, events in (("in order", moment), ("reversed", moment[::-1])):
        for event in events:
            store.write([delivery(f"{run} {event.kind}", run_id=run, events=[event])])
        assert told(store, run) == ("finished", 100, 0, "exit", "a")


def test_the_latest_of_several_processes_speaks(store: Store) -> None:
    ends = [Event("failed", 300, "a", 1, "ValueError"), Event("finished", 400, "b", 0, "exit")]
    begun = [Event("started", 100, "a"), Event("started", 200, "b")]
    store.write([delivery("a", events=begun + ends[:1])])
    assert told(store, "r") == ("failed", 300, 1, "ValueError", "b")
    store.write([delivery("b", events=ends[1:])])
    assert told(store, "r") == ("finished", 400, 0, "exit", "b")


PRELUDE = """
import os, time, wandb
from primus_lens_wandb_exporter.api_reporter import get_global_reporter
def stop():  # until the test has looked
    get_global_reporter().flush(30)
    os.write(1, b"ready\\n")
    while not os.path.exists("go"):
        time.sleep(0.01)
    os.remove("go")
run = wandb.init(id="r")
run.log({"loss": 1.0})
stop()
"""


class Job:
    """A run that reports to a server, and what that tells of it."""

    def __init__(self, server: Server, scripts: ScriptRunner) -> None:
        self.server, self.scripts = server, scripts

    def told(self) -> tuple[Any, ...]:
        """Return state, exit code, cause and whether there is an end, of the one run."""
        (run,) = self.server.get("/runs")["runs"]
        return run["state"], run["exit_code"], run["cause"], run["ended"] is not None

    def go_on(self) -> None:
        """Let a script that has stopped go on."""
        (self.scripts.folder / "go").touch()


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    with served(tmp_path) as server:
        environ = {
            **clean_environ(tmp_path),
            "WORKLOAD_UID": "workload-1",
            "PRIMUS_LENS_API_BASE_URL": f"{server.url}/api/v1",
            "PRIMUS_LENS_WANDB_DEBUG": "true",
        }
        yield Job(server, ScriptRunner(tmp_path, environ))


def test_a_run_is_as_it_says_while_it_runs_finishes_resumes_and_fails(job: Job) -> None:
    process = job.scripts.start(
        PRELUDE
        + """
run.finish()
stop()
run = wandb.init(id="r")
stop()
raise ValueError("mine")
"""
    )
    assert process.stdout is not None
    for expected in (
        ("running", None, "", False),
        ("finished", 0, "finish", True),
        ("running", None, "", False),
    ):
        assert process.stdout.readline() == "ready\n"
        assert job.told() == expected
        job.go_on()
    assert end(process) == (1, "")
    assert job.told() == ("failed", 1, "ValueError", True)
    (run,) = job.server.get("/runs")["runs"]
    assert job.server.get(f"/runs/{run['key']}/logs")["entries"] == []  # an event is no entry


def test_a_run_that_is_told_to_end_has_failed(job: Job) -> None:
    process = job.scripts.start(PRELUDE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert end(process) == (-signal.SIGTERM, "")
    assert job.told() == ("failed", 143, "SIGTERM", True)
