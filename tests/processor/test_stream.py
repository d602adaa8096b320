"""`GET /stream` of a real server: what is told, to whom, and what of it after a cut."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from primus_lens_wandb_exporter.processor.query.live import Listener, Live
from primus_lens_wandb_exporter.processor.query.outside import key_of
from primus_lens_wandb_exporter.processor.settings import Settings
from primus_lens_wandb_exporter.processor.store import Store
from primus_lens_wandb_exporter.processor.store.identity import run_id
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support import bodies
from ..support.embedded import Embedded
from ..support.served import Server, served
from .deliveries import curve, delivery

RUN, OTHER = key_of(run_id("w", "r")), key_of(run_id("w", "other"))


class Stream:
    """A client of the stream; what is no event is passed over, but its id is noted, as browsers do."""

    def __init__(self, response: httpx.Response) -> None:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        self.id = ""
        self._lines = response.iter_lines()

    def next(self) -> tuple[str, Any]:
        """Return kind and data of the next event, when there is one."""
        while True:
            block = self._block()
            self.id = block.get("id", self.id)
            if "data" in block:
                return block["event"], json.loads(block["data"])

    def begun(self) -> Stream:
        """Wait for the first sign of life: from now on all is told."""
        self.id = self._block()["id"]
        return self

    def rest(self) -> list[str]:
        """Return what comes until the server ends it."""
        return list(self._lines)

    def _block(self) -> dict[str, str]:
        block: dict[str, str] = {}
        for line in self._lines:
            if not line:
                return block
            name, _, value = line.partition(":")
            block[name] = value.strip()
        raise AssertionError("the stream has ended")


@contextmanager
def listening(server: Server, last: str = "", **query: Any) -> Iterator[Stream]:
    headers = {"Last-Event-ID": last} if last else {}
    with (
        httpx.Client(base_url=server.url, trust_env=False, timeout=30) as client,
        client.stream("GET", "/api/v1/stream", params=query, headers=headers) as response,
    ):
        yield Stream(response)


def post(server: Server, *points: dict[str, Any], **head: Any) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        answer = client.post("/api/v1/wandb/metrics", json=bodies.metrics(*points, **head))
    assert answer.status_code == 200


def change(run: str, first: int | None, last: int | None) -> dict[str, Any]:
    return {"run": run, "first_step": first, "last_step": last}


def test_new_points_are_told_to_those_who_follow_their_run(tmp_path: Path) -> None:
    with served(tmp_path) as server, listening(server, runs=RUN) as one, listening(server) as all_runs:
        one.begun()
        all_runs.begun()
        post(server, bodies.point(step=7), run_id="other")
        assert all_runs.next() == ("change", {"runs": [change(OTHER, 7, 7)]})
        post(server, bodies.point(step=3), bodies.point(step=5))
        assert one.next() == all_runs.next() == ("change", {"runs": [change(RUN, 3, 5)]})


def test_after_a_cut_all_that_was_missed_comes_in_one_event(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        post(server, bodies.point(step=1))
        with listening(server) as stream:
            known = stream.begun().id
        for step in (9, 2, 4):
            post(server, bodies.point(step=step))
        post(server, bodies.point(step=8), run_id="other")
        for query in ({"last": known}, {"after": known}):
            with listening(server, **query) as stream:
                assert stream.next() == (
                    "change",
                    {"runs": [change(RUN, 2, 9), change(OTHER, 8, 8)]},
                )
                newest = stream.id
        with listening(server, last=newest) as stream:
            stream.begun()
            post(server, bodies.point(step=11))
            assert stream.next() == ("change", {"runs": [change(RUN, 11, 11)]})


def test_a_server_that_starts_again_tells_what_was_missed(tmp_path: Path) -> None:
    with served(tmp_path) as server, listening(server) as stream:
        known = stream.begun().id
        server.process.kill()
    with served(tmp_path) as server:
        post(server, bodies.point(step=1))
        with listening(server, last=known) as stream:
            assert stream.next() == ("change", {"runs": [change(RUN, 1, 1)]})


def test_what_another_replica_wrote_is_told(tmp_path: Path) -> None:
    with served(tmp_path) as server, listening(server) as stream:
        stream.begun()
        with closing(SqliteStore(tmp_path / "processor.db")) as other:
            other.write([delivery("a", curve("loss", 4))])
        assert stream.next() == ("change", {"runs": [change(RUN, 0, 3)]})


def test_a_change_that_is_no_longer_known_is_answered_with_reset(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        post(server, bodies.point(step=1))
        with listening(server, last="99") as stream:
            assert stream.next() == ("reset", {})
            assert stream.id == "1"
            post(server, bodies.point(step=2))
            assert stream.next() == ("change", {"runs": [change(RUN, 2, 2)]})


def test_a_stop_ends_the_streams_and_does_not_wait_for_them(tmp_path: Path) -> None:
    environ = {"PRIMUS_LENS_PROCESSOR_SHUTDOWN_TIMEOUT": "25"}
    with served(tmp_path, environ=environ) as server, listening(server) as stream:
        stream.begun()
        server.process.send_signal(signal.SIGTERM)
        assert stream.rest() == []
        assert server.process.wait(20) == 0  # waiting for the stream would take longer
        assert server.wait() == 0
    first, *rest = server.lines
    assert "everyone on this machine" in first
    assert len(rest) == len(server.access_log) == 1  # nothing is complained of


def test_a_client_that_goes_is_forgotten(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        for _ in range(3):
            with listening(server) as stream:
                stream.begun()
        assert server.stop() == 0
    lines = [line for line in server.access_log if line["path"] == "/api/v1/stream"]
    assert [line["status"] for line in lines] == [200] * 3


@pytest.mark.parametrize(
    ("query", "header", "error"),
    [
        ({"after": "x"}, {}, "after: expected the id of an event"),
        ({}, {"Last-Event-ID": "-1"}, "after: expected the id of an event"),
        ({"runs": "x"}, {}, "runs: expected keys of runs"),
    ],
)
def test_a_bad_question_of_the_stream_is_refused(
    taker: Embedded, query: dict[str, str], header: dict[str, str], error: str
) -> None:
    answer = taker.client.get("/api/v1/stream", params=query, headers=header)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)


def test_a_hundred_listeners_cost_one_question(store: Store) -> None:
    store.write([delivery("a", curve("loss", 2))])
    asked: list[int] = []
    changes = store.changes
    store.changes = lambda after, runs=(), limit=1: asked.append(after) or changes(after, runs)  # type: ignore
    live = Live(Settings(), store, every=0.05)

    async def listen() -> str:
        events = live._tell([], 1, 1, 1)
        assert await events.__anext__() == ": \nid: 1\n\n"
        told.append(1)
        if len(told) == 100:
            asked.clear()
            store.write([delivery("b", curve("loss", 9))])
        return await events.__anext__()

    async def listen_all() -> list[str]:
        return await asyncio.gather(*(listen() for _ in range(100)))

    told: list[int] = []
    assert len(set(asyncio.run(listen_all()))) == 1
    assert len(asked) < 10


def test_however_slowly_one_reads_what_waits_is_bounded() -> None:
    async def read() -> list[str]:
        listener = Listener([], 5)
        for step in range(1000):
            listener.add({1: (step, step), 2: (None, None)})
        first = listener.take()
        for run in range(10_001):
            listener.add({run: (1, 1)})
        return [first, listener.take(), listener.take()]

    merged = {"runs": [change(key_of(1), 0, 999), change(key_of(2), None, None)]}
    assert asyncio.run(read()) == [
        f"event: change\nid: 5\ndata: {json.dumps(merged)}\n\n",
        "event: reset\nid: 5\ndata: {}\n\n",
        ": \nid: 5\n\n",
    ]
