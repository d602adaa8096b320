"""A processor, or its store alone, of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.store import Store
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore

from ..support.embedded import Embedded, embedded


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Embedded]:
    """A processor in this process, with default settings."""
    with embedded(tmp_path) as taker:
        yield taker


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store on a fresh database."""
    store = SqliteStore(tmp_path / "processor.db")
    yield store
    store.close()
