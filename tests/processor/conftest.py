"""A processor of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.embedded import Embedded, embedded


@pytest.fixture
def taker(tmp_path: Path) -> Iterator[Embedded]:
    """A processor in this process, with default settings."""
    with embedded(tmp_path) as taker:
        yield taker
