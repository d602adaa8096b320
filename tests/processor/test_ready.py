"""`/ready`: whether it can serve, at once, and without a hand in the writing."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from primus_lens_wandb_exporter.processor.store import Delivery, Full, StoreError
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support import bodies
from ..support.embedded import Embedded


def ready(taker: Embedded) -> tuple[int, Any]:
    answer = taker.client.get("/ready")
    return answer.status_code, answer.json()


def test_it_is_ready(taker: Embedded) -> None:
    assert ready(taker) == (200, {"meta": {"status": 200}, "data": {"status": "ready"}})


def test_it_is_ready_while_another_writes_and_writes_nothing_itself(
    taker: Embedded, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "processor.db", isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        assert ready(taker)[0] == 200
        writing.execute("ROLLBACK")


@pytest.mark.parametrize("fault", [Full("no room"), StoreError("the disk is sick")])
def test_it_is_not_ready_from_a_failed_write_to_one_that_goes_well(
    taker: Embedded, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    def fail(store: SqliteStore, deliveries: list[Delivery]) -> list[bool]:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "write", fail)
        assert taker.post("metrics", bodies.metrics(bodies.point())).status_code == 503
    assert ready(taker) == (503, {"error": "the database takes nothing"})
    assert taker.client.get("/health").status_code == 200  # to be started again would mend nothing
    assert taker.post("metrics", bodies.metrics(bodies.point())).status_code == 200
    assert ready(taker)[0] == 200


def test_a_body_that_is_refused_leaves_it_ready(taker: Embedded) -> None:
    assert taker.post("metrics", b"{").status_code == 400
    assert ready(taker)[0] == 200


def test_without_its_file_it_is_not_ready_which_the_log_says_once(
    taker: Embedded, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.move(tmp_path / "processor.db", tmp_path / "elsewhere.db")
    for _ in range(3):
        assert ready(taker) == (503, {"error": "the database does not answer"})
    shutil.move(tmp_path / "elsewhere.db", tmp_path / "processor.db")
    for _ in range(2):
        assert ready(taker)[0] == 200
    wrong, well = [record.getMessage() for record in caplog.records if "ready" in record.getMessage()]
    assert wrong.startswith("not ready: ")
    assert well == "ready again"


def test_however_many_ask_it_looks_once(taker: Embedded, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []

    def check(store: SqliteStore) -> None:
        looked.append(1)
        time.sleep(0.5)

    async def ask_often() -> list[int]:
        transport = httpx.ASGITransport(taker.client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://p") as client:
            answers = await asyncio.gather(*(client.get("/ready") for _ in range(50)))
        return [answer.status_code for answer in answers]

    monkeypatch.setattr(SqliteStore, "check", check)
    assert asyncio.run(ask_often()) == [200] * 50
    assert len(looked) < 5
    assert ready(taker)[0] == 200  # also in another event loop
