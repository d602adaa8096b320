"""Several senders, and a server that is killed, stopped or not alone: what it answered is there once."""

from __future__ import annotations

import http.client
import json
import signal
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support import bodies
from ..support.senders import begin, connect, encoded
from ..support.served import Server, served

SIZE = 200  # points of a body


def body(sender: int, number: int) -> bytes:
    """The points of a body are no other's."""
    steps = range(number * SIZE, (number + 1) * SIZE)
    points = [bodies.point(step=step, value=float(step)) for step in steps]
    return json.dumps(bodies.metrics(*points, run_id=f"run-{sender}")).encode()


class Sender(threading.Thread):
    """Sends bodies one after the other, until it has sent them all or the server is gone.

    Attributes:
        stored: the numbers of the bodies that were answered with 200.
        repeated: how many of the answers said `duplicate`.
        statuses: how often each was answered.
    """

    def __init__(self, server: Server, sender: int, numbers: range) -> None:
        super().__init__(daemon=True)
        self.stored: list[int] = []
        self.repeated = 0
        self.statuses: Counter[int] = Counter()
        self.first_answer = threading.Event()
        self._connection = connect(server)
        self._sender = sender
        self._numbers = numbers

    def run(self) -> None:
        headers = {"Content-Type": "application/json"}
        with closing(self._connection):
            for number in self._numbers:
                content = body(self._sender, number)
                try:
                    self._connection.request("POST", "/api/v1/wandb/metrics", content, headers)
                    answer = self._connection.getresponse()
                    said = json.loads(answer.read())
                except (OSError, http.client.HTTPException):
                    return
                self.statuses[answer.status] += 1
                if answer.status == 200:
                    self.stored.append(number)
                    self.repeated += said["data"]["duplicate"]
                self.first_answer.set()


def start(server: Server, senders: range, numbers: range) -> list[Sender]:
    started = [Sender(server, sender, numbers) for sender in senders]
    for sender in started:
        sender.start()
    return started


def finish(senders: list[Sender]) -> list[Sender]:
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()
    return senders


def stored(folder: Path) -> dict[int, list[int]]:
    """Return the numbers of the bodies of each sender that are in the database, each of them whole."""
    found: dict[int, list[int]] = {}
    with closing(SqliteStore(folder / "processor.db")) as store:
        points = Counter((row["run_id"], row["iteration"]) for row in store.points("w"))
        counted = sum(row["count"] for row in store.sources("w"))
    assert set(points.values()) <= {1}
    assert counted == len(points)
    whole = Counter((int(run[4:]), step // SIZE) for run, step in points)
    assert set(whole.values()) <= {SIZE}
    for sender, number in sorted(whole):
        found.setdefault(sender, []).append(number)
    return found


def test_sixteen_senders_have_each_point_stored_once(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        first = finish(start(server, range(16), range(20)))
        again = finish(start(server, range(16), range(10, 25)))  # of each the first ten once more
        (workload,) = server.get("/workloads")["workloads"]
        assert server.stop() == 0
    assert all(sender.statuses == {200: 20} and not sender.repeated for sender in first)
    assert all(sender.statuses == {200: 15} and sender.repeated == 10 for sender in again)
    assert workload["points"] == 16 * 25 * SIZE
    assert stored(tmp_path) == {sender: list(range(25)) for sender in range(16)}


def test_after_a_kill_under_load_each_answered_body_is_there_once(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        senders = start(server, range(6), range(10_000))
        for sender in senders:
            assert sender.first_answer.wait(30)
        server.process.kill()
        finish(senders)
    found = stored(tmp_path)
    for number, sender in enumerate(senders):
        assert sender.statuses == {200: len(sender.stored)}
        # What was on its way may be there, too: then it was not answered, and is sent again.
        assert found[number] in (sender.stored, [*sender.stored, len(sender.stored)])
    with served(tmp_path) as server:
        most = max(len(sender.stored) for sender in senders) + 1
        repeating = finish(start(server, range(6), range(most)))
        assert server.stop() == 0
    assert [sender.repeated for sender in repeating] == [len(found[number]) for number in range(6)]
    assert stored(tmp_path) == {number: list(range(most)) for number in range(6)}


def test_a_stop_under_load_answers_what_it_stores(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        senders = start(server, range(6), range(10_000))
        for sender in senders:
            assert sender.first_answer.wait(30)
        assert server.stop() == 0
        finish(senders)
    assert stored(tmp_path) == {number: sender.stored for number, sender in enumerate(senders)}
    assert all(set(sender.statuses) == {200} for sender in senders)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_that_is_asked_for_twice(tmp_path: Path, number: int) -> None:
    """SIGTERM is repeated by who is impatient and still means all; Ctrl+C twice means now."""
    with served(tmp_path) as server:
        halting = begin(server, encoded(0), whole=False)
        probe = begin(server, encoded(100), whole=True)
        assert probe.getresponse().status == 200
        for _ in range(2):
            server.process.send_signal(number)
            server.wait_until_refused()
        if number == signal.SIGTERM:
            halting.send(encoded(0)[-1:])
            assert halting.getresponse().status == 200
        assert server.wait() == 0
        halting.close()
        assert not [line for line in server.lines[1:] if "Traceback" in line]
    with closing(SqliteStore(tmp_path / "processor.db")) as store:
        steps = [row["iteration"] for row in store.points("w")]
    assert steps == ([0, 100] if number == signal.SIGTERM else [100])


def test_two_servers_on_one_file_store_each_point_once(tmp_path: Path) -> None:
    with served(tmp_path) as one, served(tmp_path) as other:
        # Both get all of it: what one has stored, the other finds stored.
        both = [*start(one, range(4), range(30)), *start(other, range(4), range(30))]
        finish(both)
        assert one.stop() == other.stop() == 0
    assert all(sender.statuses == {200: 30} for sender in both)
    assert sum(sender.repeated for sender in both) == 4 * 30
    assert stored(tmp_path) == {sender: list(range(30)) for sender in range(4)}
