"""How rows of the store look to those who ask: times in milliseconds, runs by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from .parameters import MILLISECOND

_TIMES = (
    *("detected_at", "first_seen", "last_seen", "started", "ended", "timestamp"),
    *("announced", "last_data"),
)
_TEXTS = ("config", "evidence", "hints")


def in_milliseconds(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with its times in milliseconds, rounded down."""
    times = {name: row[name] // MILLISECOND for name in _TIMES if row.get(name) is not None}
    return {**row, **times}


def all_in_milliseconds(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with their times in milliseconds."""
    return [in_milliseconds(row) for row in rows]


def key_of(run: int) -> str:
    """Return the key by which a run is asked for."""
    return format(run, "016x")


def show_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run with its key for its number."""
    shown = {**in_milliseconds(run), **{name: as_it_came(run[name]) for name in _TEXTS if name in run}}
    return {"key": key_of(shown.pop("id")), **shown}


def show_pod(pod: Mapping[str, Any]) -> dict[str, Any]:
    """Return a silent pod with the keys of its open runs for their numbers."""
    runs = [{"key": key_of(run["id"]), **run} for run in pod["open_runs"]]
    for run in runs:
        del run["id"]
    return {**in_milliseconds(pod), "open_runs": runs}


def as_it_came(text: str | None) -> msgspec.Raw | None:
    """Return JSON text as a part of an answer."""
    return None if text is None else msgspec.Raw(text.encode())
