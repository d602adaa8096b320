"""A PostgreSQL that is stopped or full, and a processor on it that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from primus_lens_wandb_exporter.processor.store import Full, StoreError
from primus_lens_wandb_exporter.processor.store.postgres import PostgresStore

from ..support.bodies import metrics, point
from ..support.delivery import wait_until
from ..support.postgres import Postgres
from ..support.served import Server, served
from .deliveries import curve, delivery


def test_while_the_server_is_away_nothing_is_answered_and_then_all_is_well_again(
    postgres: Postgres, database: str
) -> None:
    with closing(PostgresStore(database)) as store:
        store.write([delivery("a", curve("loss", 5))])
        assert store.sources("w") == [{"name": "wandb", "count": 5}]
        postgres.stop()
        try:
            for ask in (lambda: store.sources("w"), lambda: store.write([delivery("b")]), store.check):
                with pytest.raises(StoreError, match="is the server running"):
                    ask()
        finally:
            postgres.start()
        store.check()
        assert store.write([delivery("a"), delivery("b", curve("loss", 7))]) == [False, True]
        assert store.sources("w") == [{"name": "wandb", "count": 7}]


def test_where_the_schema_was_dropped_it_says_what_brings_it_back(
    postgres: Postgres, database: str
) -> None:
    with closing(PostgresStore(database)) as store:
        postgres.run_sql("DROP SCHEMA primus_lens CASCADE", url=database)
        for ask in (lambda: store.sources("w"), lambda: store.write([delivery("b")]), store.check):
            with pytest.raises(
                StoreError, match="was dropped; start the processors again, which make it"
            ):
                ask()
    with closing(PostgresStore(database)) as store:
        assert store.write([delivery("b")]) == [True]


def test_senders_are_told_to_come_again_while_the_server_is_away(
    postgres: Postgres, database: str, tmp_path: Path
) -> None:
    with served(tmp_path, "--db", database) as server, connect(server) as client:
        assert database.partition("?")[0] in server.greeting
        postgres.stop()
        try:
            refused = client.post("/api/v1/wandb/metrics", json=metrics(point()))
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
            assert client.get("/ready").status_code == 503
            assert client.get("/health").status_code == 200
        finally:
            postgres.start()
        assert client.post("/api/v1/wandb/metrics", json=metrics(point())).status_code == 200
        assert client.get("/ready").status_code == 200
        assert server.stop() == 0


def connect(server: Server) -> httpx.Client:
    return httpx.Client(base_url=server.url, trust_env=False, timeout=30)


class Sender(threading.Thread):
    """Sends bodies until it is told to stop, each until it is answered, to whom it can reach."""

    def __init__(self, number: int, servers: list[Server]) -> None:
        super().__init__(daemon=True)
        self.number = number
        self.servers = servers
        self.enough = threading.Event()
        self.answered = 0
        self.repeated = 0

    def run(self) -> None:
        with ExitStack() as stack:
            clients = [stack.enter_context(connect(server)) for server in self.servers]
            while not self.enough.is_set():
                first = 10 * self.answered
                points = [
                    point(f"m{m}", 0.5, step) for m in range(5) for step in range(first, first + 10)
                ]
                body = metrics(*points, run_id=f"r{self.number % 2}", source=f"s{self.number}")
                while not self._send(clients[self.repeated % len(clients)], body):
                    self.repeated += 1
                self.answered += 1

    def _send(self, client: httpx.Client, body: dict[str, object]) -> bool:
        key = {"Idempotency-Key": f"{self.number}-{self.answered}"}
        try:
            return client.post("/api/v1/wandb/metrics", json=body, headers=key).status_code == 200
        except httpx.TransportError:
            return False


def test_when_one_of_two_processors_is_killed_each_answered_point_is_there_once(
    database: str, tmp_path: Path
) -> None:
    with served(tmp_path, "--db", database) as one, served(tmp_path, "--db", database) as other:
        senders = [Sender(n, [one, other] if n % 2 else [other, one]) for n in range(4)]
        for sender in senders:
            sender.start()
        wait_until(lambda: all(sender.answered > 20 for sender in senders))
        one.stop(signal.SIGKILL)
        after = [sender.answered + 10 for sender in senders]
        wait_until(lambda: all(sender.answered > enough for sender, enough in zip(senders, after)))
        for sender in senders:
            sender.enough.set()
        for sender in senders:
            sender.join(30)
        answer = other.get("/workloads/w/metrics/data", limit=1_000_000)["data"]
        found = [(row["data_source"], row["metric_name"], row["iteration"]) for row in answer]
        runs = other.get("/workloads/w/runs")["runs"]
        assert other.stop() == 0
    assert any(sender.repeated for sender in senders)
    expected = {
        (f"s{sender.number}", f"m{m}", step)
        for sender in senders
        for m in range(5)
        for step in range(10 * sender.answered)
    }
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert sum(run["points"] for run in runs) == len(expected)


@pytest.fixture
def small_disk(postgres: Postgres) -> Iterator[Path]:
    """A file system of 24 MiB that belongs to the server."""
    folder = postgres.folder / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only a user who may mount can make a small disk")
    status = postgres.folder.stat()
    os.chown(folder, status.st_uid, status.st_gid)
    (folder / "ballast").write_bytes(bytes(4_000_000))
    postgres.run_sql(f"CREATE TABLESPACE small LOCATION '{folder}'")
    yield folder
    postgres.run_sql("DROP TABLESPACE small")
    subprocess.run(["umount", str(folder)], check=True)


def fill(store: PostgresStore) -> int:
    """Write until there is no room; return how many deliveries of 1000 points were stored."""
    for stored in range(1000):
        try:
            store.write([delivery(str(stored), curve("loss", 1000, first=1000 * stored))])
        except Full:
            return stored
    raise AssertionError("it never filled up")


def test_a_full_disk_costs_nothing_that_was_stored_and_writing_goes_on_when_there_is_room(
    postgres: Postgres, small_disk: Path
) -> None:
    with postgres.database("TABLESPACE small") as url, closing(PostgresStore(url)) as store:
        stored = fill(store)
        assert store.sources("w") == [{"name": "wandb", "count": 1000 * stored}]
        (small_disk / "ballast").unlink()
        again = delivery(str(stored), curve("loss", 1000, first=1000 * stored))
        assert store.write([again]) == [True]
        assert store.sources("w") == [{"name": "wandb", "count": 1000 * (stored + 1)}]
