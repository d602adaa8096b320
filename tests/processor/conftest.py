"""A processor, its store alone on each engine, or one with runs and a browser to look at it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from primus_lens_wandb_exporter.processor.store import Store
from primus_lens_wandb_exporter.processor.store.location import open_store

from ..support import seed
from ..support.embedded import Embedded, embedded
from ..support.postgres import MISSING, Postgres, postgres_server
from ..support.served import Server, served

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from ..support.browser import Tab


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Embedded]:
    """A processor in this process, with default settings."""
    with embedded(tmp_path) as taker:
        yield taker


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that outlives the tests: making one takes seconds."""
    if MISSING:
        pytest.skip(MISSING)
    with postgres_server() as server:
        yield server


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database."""
    with postgres.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database may be made, on each engine."""
    if request.param == "sqlite":
        return str(tmp_path / "processor.db")
    return str(request.getfixturevalue("database"))


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """A store on a fresh database, on each engine."""
    store = open_store(place)
    yield store
    store.close()


@pytest.fixture(scope="module")
def runs() -> list[seed.Run]:
    """Runs of every state and style."""
    return seed.make_runs(12, steps=200)


@pytest.fixture(scope="module")
def server(runs: list[seed.Run], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A processor, a process of its own, that has those runs."""
    folder = tmp_path_factory.mktemp("processor")
    store = open_store(str(folder / "processor.db"))
    for run in runs:
        # However slow the tests are, it is still heard of.
        seed.put(store, run, time.time() + 3600 if run.outcome == "running" else None)
    store.close()
    with served(folder) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, one for a module: while it lasts no other event loop can be run in this thread."""
    from ..support import browser  # which needs Playwright, as nothing else does

    if not browser.CHROMIUM:
        pytest.skip(browser.MISSING)
    with browser.chromium() as launched:
        yield launched


@pytest.fixture
def tab(browser: Browser, server: Server) -> Iterator[Tab]:
    """A tab on that server; in the end nothing went wrong in it, and nothing was asked of another."""
    from ..support.browser import open_tab

    with open_tab(browser, server.url) as tab:
        yield tab
        assert tab.outside == []
        assert tab.errors == []
