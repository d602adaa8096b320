"""A processor, or its store alone, of the test's own; a store is tested on both engines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.store import Store
from primus_lens_wandb_exporter.processor.store.location import open_store

from ..support.embedded import Embedded, embedded
from ..support.postgres import MISSING, Postgres, postgres_server


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
