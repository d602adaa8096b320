"""The account of every lane adds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def check_law(stats: Mapping[str, Any]) -> None:
    """Assert `accepted = sent + spooled + dropped + pending` for each lane of the statistics."""
    for lane, accepted in stats["accepted"].items():
        parts = stats["sent"][lane], stats["spooled"][lane], stats["pending"][lane]
        assert accepted == sum(parts) + sum(stats["dropped"][lane].values()), (lane, stats)
