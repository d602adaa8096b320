"""A database of which something is damaged: what is said, and that no more is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from primus_lens_wandb_exporter.processor.store import StoreError
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support import bodies
from ..support.scripts import REPOSITORY
from ..support.senders import post
from ..support.served import served
from .deliveries import curve, delivery, detection, entry

PAGE = 4096
WRITE_AND_DIE = """
import os, signal, sys
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore
from tests.processor.deliveries import curve, delivery

store = SqliteStore(sys.argv[1])
for number in range(20):
    store.write([delivery(str(number), curve("loss", 50, first=50 * number))])
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A database with something in each table and in more than one page of the largest."""
    with closing(SqliteStore(tmp_path / "whole.db")) as store:
        filled = delivery(
            "a",
            curve("loss", 600),
            pod={"pod_name": "p"},
            entries=[entry(step, text="x" * 500) for step in range(20)],
            detections=[detection("primus", 0.9, 100)],
        )
        store.write([filled])
    return tmp_path / "whole.db"


@pytest.fixture
def abandoned(tmp_path: Path) -> Path:
    """A database whose writer was killed: all of it is in the write-ahead log."""
    folder = tmp_path / "abandoned"
    folder.mkdir()
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", WRITE_AND_DIE, str(folder / "db")]
    assert subprocess.run(command, env=environ, timeout=60).returncode == -signal.SIGKILL
    assert (folder / "db-wal").stat().st_size > 20 * PAGE
    return folder / "db"


def copy(path: Path, folder: Path) -> Path:
    """Return a copy of a database that nobody has open, with what lies beside it."""
    folder.mkdir()
    for file in path.parent.glob(path.name + "*"):
        shutil.copy(file, folder)
    return folder / path.name


def overwrite(path: Path, start: int, content: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(start)
        file.write(content)


def use(path: Path) -> list[str]:
    """Ask everything and write; return what was said by those that failed, which must be StoreErrors."""
    said: list[str] = []

    def attempt(action: Callable[[], Any]) -> Any:
        try:
            return action()
        except StoreError as error:
            said.append(str(error))

    store = attempt(lambda: SqliteStore(path))
    if store is not None:
        with closing(store):
            attempt(lambda: store.detection("w"))
            attempt(lambda: store.available("w"))
            attempt(lambda: store.points("w"))
            attempt(lambda: store.workloads(0))
            attempt(lambda: store.write([delivery("b", curve("loss", 600, first=300))]))
    return said


def pages(content: bytes) -> list[bytes]:
    return [content[place : place + PAGE] for place in range(0, len(content), PAGE)]


@pytest.mark.parametrize("filling", [b"\0", b"\xff"])
def test_whichever_page_is_damaged_that_is_said_and_it_is_not_overwritten(
    whole: Path, tmp_path: Path, filling: bytes
) -> None:
    count = whole.stat().st_size // PAGE
    assert count > 20
    unnoticed = 0
    for page in range(count):
        path = copy(whole, tmp_path / str(page))
        overwrite(path, page * PAGE, filling * PAGE)
        said = use(path)
        assert all(str(path) in text and "it is damaged" in text for text in said)
        assert pages(path.read_bytes())[page] == filling * PAGE
        unnoticed += not said
    assert unnoticed < count // 2  # not everything was asked


def test_wherever_it_is_cut_short_it_is_refused_and_stays_as_it_is(whole: Path, tmp_path: Path) -> None:
    size = whole.stat().st_size
    for length in (50, 100, 512, PAGE - 1, PAGE, PAGE + 1, *range(2 * PAGE, size, PAGE)):
        path = copy(whole, tmp_path / str(length))
        os.truncate(path, length)
        before = path.read_bytes()
        with pytest.raises(StoreError, match="it is damaged"):
            SqliteStore(path)
        assert path.read_bytes() == before
        assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_emptied_database_with_a_write_ahead_log_is_refused(abandoned: Path) -> None:
    """SQLite would take it for a new one and remove the log, which holds all there is."""
    os.truncate(abandoned, 0)
    log = abandoned.with_name("db-wal").read_bytes()
    with pytest.raises(StoreError, match="it is damaged"):
        SqliteStore(abandoned)
    assert abandoned.with_name("db-wal").read_bytes() == log


@pytest.mark.parametrize(
    ("damage", "stored"),
    [
        (lambda log, size: None, range(20, 21)),
        (lambda log, size: overwrite(log, size // 2, b"\xff" * 9), range(1, 20)),
        (lambda log, size: os.truncate(log, size // 2), range(1, 20)),
        (lambda log, size: overwrite(log, size - PAGE, bytes(PAGE)), range(19, 20)),
        (lambda log, size: overwrite(log, 0, b"\xff" * 32), range(1)),
        (lambda log, size: overwrite(log.with_name("db-shm"), 0, b"\xff" * 32768), range(20, 21)),
    ],
    ids=["none", "middle", "cut", "end", "head", "index"],
)
def test_of_a_damaged_write_ahead_log_all_before_the_damage_is_kept_and_the_rest_can_be_sent_again(
    abandoned: Path, damage: Callable[[Path, int], None], stored: range
) -> None:
    log = abandoned.with_name("db-wal")
    damage(log, log.stat().st_size)
    with closing(SqliteStore(abandoned)) as store:
        steps = sorted(row["iteration"] for row in store.points("w"))
        found, rest = divmod(len(steps), 50)
        assert found in stored
        assert rest == 0
        assert steps == list(range(50 * found))
        again = [delivery(str(number), curve("loss", 50, first=50 * number)) for number in range(20)]
        assert store.write(again) == [False] * found + [True] * (20 - found)
        assert store.sources("w") == [{"name": "wandb", "count": 1000}]


def test_a_server_over_a_damaged_database_refuses_for_now_and_overwrites_nothing(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        points = [bodies.point(step=step) for step in range(10_000)]  # in most of the pages
        assert post(server, json.dumps(bodies.metrics(*points)).encode()) == 200
        assert server.stop() == 0
    path = tmp_path / "processor.db"
    with closing(sqlite3.connect(path)) as connection:
        ((root,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'point'")
    overwrite(path, (root - 1) * PAGE, b"\xff" * PAGE)
    damaged = path.read_bytes()
    with served(tmp_path) as server:
        more = [bodies.point(step=step) for step in range(5000, 11_000)]
        assert post(server, json.dumps(bodies.metrics(*more)).encode()) == 503
        for question, status in (
            ("/ready", 503),
            ("/api/v1/workloads/w/metrics/data", 503),
            ("/health", 200),
        ):
            answer = httpx.get(server.url + question, trust_env=False)
            assert answer.status_code == status
            assert str(tmp_path) not in answer.text
        assert server.stop() == 0
    assert not [line for line in server.lines if line.startswith("Traceback")]
    assert any("it is damaged" in line for line in server.lines)
    assert path.read_bytes() == damaged
