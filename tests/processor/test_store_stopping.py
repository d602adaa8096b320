"""Questions that go on when the server stops: nobody waits for them any more."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from primus_lens_wandb_exporter.processor.store import Store, StoreError
from primus_lens_wandb_exporter.processor.store.postgres import PostgresStore
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support.served import Server, serve_environ

ENDLESS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0) SELECT max(i) FROM n"
)

SERVE_SLOWLY = f"""
import sys
from primus_lens_wandb_exporter.processor.serve import serve
from primus_lens_wandb_exporter.processor.settings import Settings
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

def ask(store, *arguments, **named):
    with store._reading() as connection:
        print("asked", file=sys.stderr, flush=True)
        connection.execute({ENDLESS!r}).fetchone()

SqliteStore.{{question}} = ask
sys.exit(serve(Settings(port=0, db=sys.argv[1], shutdown_timeout=0.5)))
"""


def ask_endlessly(store: Store, failures: list[Exception]) -> None:
    assert isinstance(store, (SqliteStore, PostgresStore))
    try:
        with store._reading() as connection:
            connection.execute(ENDLESS if isinstance(store, SqliteStore) else "SELECT pg_sleep(60)")
            if isinstance(store, SqliteStore):
                connection.execute(ENDLESS).fetchone()
    except Exception as error:
        failures.append(error)


def test_a_question_that_goes_on_is_broken_off_and_none_is_answered_later(store: Store) -> None:
    failures: list[Exception] = []
    threads = [threading.Thread(target=ask_endlessly, args=(store, failures)) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)  # by then they are at it; if not, they are refused
    store.stop_answering()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert [type(error) for error in failures] == [StoreError] * 3
    with pytest.raises(StoreError):
        store.workloads(0)


@pytest.mark.parametrize(
    ("question", "path"),
    [("workloads", "workloads"), ("extent", "series?runs=0000000000000001&metric=loss")],
)
def test_a_question_that_goes_on_does_not_hold_up_the_stop(
    tmp_path: Path, question: str, path: str
) -> None:
    script = SERVE_SLOWLY.replace("{question}", question)
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "processor.db")],
        env=serve_environ(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        server = Server(process)

        def ask() -> None:
            with suppress(httpx.HTTPError):  # it may be told, or not
                httpx.get(f"{server.url}/api/v1/{path}", timeout=30, trust_env=False)

        asking = threading.Thread(target=ask)
        asking.start()
        while "asked" not in server.lines:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        asking.join(10)
    finally:
        process.kill()
        process.wait()
