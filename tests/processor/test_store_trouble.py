"""A disk that fills up, and a process that is killed while it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from primus_lens_wandb_exporter.processor.store import Full
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support import bodies
from ..support.served import served
from .deliveries import curve, delivery

WRITE_FOR_EVER = """
import itertools, sys
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore
from primus_lens_wandb_exporter.processor.store.writer import Writer
from tests.processor.deliveries import curve, delivery

writer = Writer(SqliteStore(sys.argv[1]))
for i in itertools.count():
    futures = [writer.submit(delivery(f"{i}-{j}", curve(f"m{j}", 10, first=10 * i))) for j in range(3)]
    assert all(future.result() for future in futures)
    print(i, flush=True)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only a user who may mount can make a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(store: SqliteStore) -> int:
    """Write until there is no room; return how many deliveries of 1000 points were stored."""
    for i in range(200):
        try:
            store.write([delivery(f"fill-{i}", curve("loss", 1000, first=1000 * i))])
        except Full:
            return i
    raise AssertionError("it never filled up")


def test_where_there_is_no_room_nothing_of_a_batch_is_stored_and_later_all_of_it(tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path / "db")) as store:
        store._writing.execute("PRAGMA max_page_count = 40")
        stored = fill(store)
        assert store.sources("w") == [{"name": "wandb", "count": 1000 * stored}]
        store._writing.execute("PRAGMA max_page_count = 100000")
        again = delivery(f"fill-{stored}", curve("loss", 1000, first=1000 * stored))
        assert store.write([again]) == [True]
        assert store.sources("w") == [{"name": "wandb", "count": 1000 * (stored + 1)}]


def test_a_full_disk_costs_nothing_that_was_stored_and_writing_goes_on_when_there_is_room(
    small_disk: Path,
) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    with closing(SqliteStore(small_disk / "db")) as store:
        stored = fill(store)
        assert store.sources("w") == [{"name": "wandb", "count": 1000 * stored}]
        ballast.unlink()
        again = delivery(f"fill-{stored}", curve("loss", 1000, first=1000 * stored))
        assert store.write([again]) == [True]
        assert store.sources("w") == [{"name": "wandb", "count": 1000 * (stored + 1)}]


def test_a_server_on_a_full_disk_says_when_to_come_back_and_goes_on_when_there_is_room(
    small_disk: Path,
) -> None:
    def send(number: int) -> tuple[int, str]:
        points = [bodies.point(step=step) for step in range(1000 * number, 1000 * number + 1000)]
        answer = httpx.post(f"{server.url}/api/v1/wandb/metrics", json=bodies.metrics(*points))
        return answer.status_code, answer.headers.get("Retry-After", "")

    def ready() -> int:
        return httpx.get(f"{server.url}/ready").status_code

    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(1_000_000))
    with served(small_disk) as server:
        answers = [send(0)]
        while answers[-1][0] == 200:
            answers.append(send(len(answers)))
        assert answers[-1] == (503, "30")
        assert ready() == 503
        stored = len(answers) - 1
        assert server.get("/workloads/w/metrics/sources")["data_sources"][0]["count"] == 1000 * stored
        ballast.unlink()
        assert send(stored) == (200, "")
        assert ready() == 200
        assert server.get("/workloads/w/metrics/sources")["data_sources"][0]["count"] == 1000 * (
            stored + 1
        )
        assert server.stop() == 0


def test_after_a_kill_each_answered_delivery_is_there_once_and_whole(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path / "db")]
    place = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(place)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=place, env=environment
    ) as process:
        assert process.stdout
        for line in process.stdout:
            if int(line) == 40:
                process.send_signal(signal.SIGKILL)
                break
        answered = max([40, *(int(line) for line in process.stdout if line.endswith("\n"))])
    with closing(SqliteStore(tmp_path / "db")) as store:
        again = [delivery(f"{i}-{j}") for i in range(answered + 1) for j in range(3)]
        assert store.write(again) == [False] * len(again)
        counts = {metric["name"]: metric["count"] for metric in store.available("w")}
        points = {(point["metric_name"], point["iteration"]) for point in store.points("w")}
    assert sum(counts.values()) == len(points)
    assert all(10 * (answered + 1) <= count and count % 10 == 0 for count in counts.values())
