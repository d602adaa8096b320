"""Many connections, slow ones and silent ones: none of them keeps the others from being served."""

from __future__ import annotations

import asyncio
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from starlette.applications import Starlette
from uvicorn import Config
from uvicorn.server import ServerState

from primus_lens_wandb_exporter.processor.connections import LIFETIME, Crowd, allow_files
from primus_lens_wandb_exporter.processor.serve import make_server
from primus_lens_wandb_exporter.processor.settings import Settings

from ..support.senders import begin, connect, encoded, plug, post
from ..support.served import Server, serve_environ, served

SAID = b"GET /health HTTP/1.1\r\nHost: a\r\n"  # and the empty line is not said


def heard(plugged: socket.socket) -> bytes:
    """Return all that is answered until the other side closes."""
    answer = b""
    while chunk := plugged.recv(65536):
        answer += chunk
    return answer


def begin_heard(server: Server, body: bytes) -> socket.socket:
    """Say that a body will come, and wait until that has been heard."""
    plugged = plug(
        server,
        b"POST /api/v1/wandb/metrics HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Expect: 100-continue\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body),
    )
    assert plugged.recv(1000).startswith(b"HTTP/1.1 100 ")
    return plugged


def counted(server: Server, sample: str) -> float:
    connection = connect(server)
    with closing(connection):
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.rpartition(" ")[0] == sample)


def test_who_listens_leaves_connections_to_who_sends(tmp_path: Path) -> None:
    with served(tmp_path, environ={"PRIMUS_LENS_PROCESSOR_CONNECTIONS": "8"}) as server:
        with ExitStack() as stack:
            answers = []
            for _ in range(7):
                listening = stack.enter_context(closing(connect(server)))
                listening.request("GET", "/api/v1/stream")
                answers.append(listening.getresponse())
                if answers[-1].status == 200:
                    answers[-1].readline()  # it has begun
            assert [answer.status for answer in answers] == [200] * 4 + [429] * 3
            sending = begin(server, encoded(0), whole=True)
            assert sending.getresponse().status == 200
        assert server.stop() == 0


def test_a_fleet_may_keep_its_connections(tmp_path: Path) -> None:
    fleet = 1200  # by default
    if allow_files(fleet) < fleet:
        pytest.skip("needs more open files: ulimit -Hn")
    with served(tmp_path) as server, ExitStack() as stack:
        for _ in range(fleet):
            kept = stack.enter_context(closing(connect(server)))
            kept.request("GET", "/health")
            assert kept.getresponse().read()
        assert counted(server, "primus_lens_processor_connections_dismissed_total") == 0
        assert server.stop() == 0


def test_an_old_connection_ends_with_an_answer_so_that_it_can_begin_anew_with_another_replica(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import sys; from primus_lens_wandb_exporter.cli import main;"
        "from primus_lens_wandb_exporter.processor import connections;"
        "connections.LIFETIME = 0.0; sys.exit(main(['serve', *sys.argv[1:]]))"
    )
    monkeypatch.setattr("tests.support.served.SERVE", [sys.executable, "-c", code])
    with served(tmp_path) as server, closing(begin(server, encoded(0), whole=True)) as old:
        answer = old.getresponse()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        with closing(plug(server, SAID)) as slow:
            # Answered when SAID has been read.
            assert counted(server, "primus_lens_processor_connections_dismissed_total") == 0
            slow.sendall(b"\r\n")
            assert b"connection: close" in heard(slow)
        assert server.stop() == 0
    monkeypatch.undo()
    with served(tmp_path) as server, closing(begin(server, encoded(1), whole=True)) as young:
        answer = young.getresponse()
        assert (answer.status, answer.headers["connection"]) == (200, None)
        assert server.stop() == 0


def test_an_idle_connection_is_kept_for_longer_than_senders_and_proxies_pause() -> None:
    app = Starlette()
    app.state.stop_streams = None
    server = make_server(Settings(), app, Crowd(1, 1.0))
    assert server.config.timeout_keep_alive > 75  # nginx's own; a large fleet's FLUSH_INTERVAL is 30


def test_connections_that_began_together_do_not_end_together() -> None:
    async def begin_some() -> list[float]:
        config = Config(lambda *given: None)
        config.load()
        crowd = Crowd(100, 1.0)
        made = [crowd.connect(config, ServerState(), {}) for _ in range(100)]
        return [one._last - made[0].loop.time() for one in made]

    lives = asyncio.run(begin_some())
    assert LIFETIME * 0.75 < min(lives) < LIFETIME * 0.9 < LIFETIME * 1.1 < max(lives) < LIFETIME * 1.25


def test_headers_that_do_not_come_end_the_connection(tmp_path: Path) -> None:
    with served(tmp_path, environ={"PRIMUS_LENS_PROCESSOR_BODY_TIMEOUT": "0.2"}) as server:
        with closing(plug(server)) as silent, closing(plug(server, SAID)) as halting:
            assert heard(silent) == heard(halting) == b""
        assert counted(server, "primus_lens_processor_connections_dismissed_total") == 2
        assert server.stop() == 0


def test_headers_that_trickle_on_a_used_connection_end_it_too(tmp_path: Path) -> None:
    with served(tmp_path, environ={"PRIMUS_LENS_PROCESSOR_BODY_TIMEOUT": "0.2"}) as server:
        with closing(plug(server, SAID + b"\r\n" + SAID)) as plugged:
            answer = b""
            try:
                while chunk := plugged.recv(65536):
                    answer += chunk
                    plugged.sendall(b"X: y\r\n")  # for as long as it is listened to
            except OSError:
                pass
        assert answer.count(b"HTTP/1.1 200 OK") == 1


def test_one_connection_more_takes_the_place_of_the_longest_idle(tmp_path: Path) -> None:
    with served(tmp_path, environ={"PRIMUS_LENS_PROCESSOR_CONNECTIONS": "3"}) as server:
        with ExitStack() as stack:
            busy = stack.enter_context(closing(begin_heard(server, encoded(0))))
            silent = [stack.enter_context(closing(plug(server))) for _ in range(10)]
            assert post(server, encoded(1)) == 200
            for plugged in silent[:8]:
                assert heard(plugged).startswith(
                    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n"
                )
            busy.sendall(encoded(0))
            assert heard(busy).startswith(b"HTTP/1.1 200 ")
        assert server.stop() == 0


def test_where_all_are_busy_one_more_is_told_to_come_back(tmp_path: Path) -> None:
    environ = {"PRIMUS_LENS_PROCESSOR_CONNECTIONS": "3"}
    with served(tmp_path, environ=environ) as server, ExitStack() as stack:
        bodies = [encoded(step) for step in range(3)]
        busy = [stack.enter_context(closing(begin_heard(server, body))) for body in bodies]
        for _ in range(3):
            with closing(plug(server)) as more:
                assert heard(more).startswith(b"HTTP/1.1 503 ")
        for body, plugged in zip(bodies, busy):
            plugged.sendall(body)
            assert heard(plugged).startswith(b"HTTP/1.1 200 ")


def test_a_server_without_a_file_to_spare_goes_on_when_there_is_one(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (40, before[1]))
        with ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(closing(plug(server, SAID)))
        assert post(server, encoded(0)) == 200
        assert server.stop() == 0


def test_the_limit_of_open_files_is_raised_and_kept_to() -> None:
    code = (
        "import resource, sys\n"
        "from primus_lens_wandb_exporter.processor.connections import allow_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, tuple(map(int, sys.argv[1:3])))\n"
        "print(allow_files(1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    for limits, expected in (
        (("100", "100"), "50 100"),
        (("100", "3000"), "1000 2024"),
        (("2500", "3000"), "1000 2500"),
    ):
        command = [sys.executable, "-c", code, *limits]
        finished = subprocess.run(
            command, env=serve_environ(), capture_output=True, text=True, timeout=60
        )
        assert finished.stdout.strip() == expected, finished.stderr


def test_bodies_that_trickle_keep_nobody_from_being_served(tmp_path: Path) -> None:
    with served(tmp_path) as server, ExitStack() as stack:
        slow = [
            stack.enter_context(closing(begin(server, encoded(step), whole=False)))
            for step in range(300)
        ]
        for step in range(20):
            assert post(server, encoded(1000 + step)) == 200
        for step, connection in enumerate(slow):
            connection.send(encoded(step)[-1:])
            assert connection.getresponse().status == 200
        assert server.stop() == 0


def test_slow_bodies_that_hold_all_the_room_give_way(tmp_path: Path) -> None:
    room = {"PRIMUS_LENS_PROCESSOR_ROOM": "100000", "PRIMUS_LENS_PROCESSOR_MAX_BODY": "100000"}
    large = encoded(0, padding=" " * 49_700)
    with served(tmp_path, environ=room) as server, ExitStack() as stack:
        slow = [stack.enter_context(closing(begin(server, large, whole=False))) for _ in range(2)]
        while (status := post(server, encoded(1, padding=" " * 10_000))) != 200:
            assert status == 429  # until they are found to be slow
        answer = slow[0].getresponse()
        assert (answer.status, answer.getheader("Retry-After")) == (429, "1")
        slow[1].send(large[-1:])
        assert slow[1].getresponse().status == 200
        assert server.stop() == 0


def test_an_answer_that_is_not_read_is_given_up(tmp_path: Path) -> None:
    environ = {"PRIMUS_LENS_PROCESSOR_BODY_TIMEOUT": "0.5"}
    question = b"GET /api/v1/workloads/w/metrics/data HTTP/1.1\r\nHost: a\r\n\r\n"
    with served(tmp_path, environ=environ) as server:
        for begin_at in range(0, 120_000, 40_000):
            points = ",".join(
                f'{{"name":"loss","value":1,"step":{step}}}'
                for step in range(begin_at, begin_at + 40_000)
            )
            body = f'{{"workload_uid":"w","run_id":"r","metrics":[{points}]}}'
            assert post(server, body.encode()) == 200
        with closing(plug(server)) as reader:
            reader.sendall(question)
            while counted(server, "primus_lens_processor_connections_dismissed_total") == 0:
                pass
            got = 0
            try:
                while chunk := reader.recv(65536):
                    got += len(chunk)
            except ConnectionResetError:
                pass
        assert got < 12_000_000  # which all of it would be
        assert server.stop() == 0
