"""From rows to answers: what is the same whichever engine a row is from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Callable, TypeVar

from .loss import choose_loss

Connection = TypeVar("Connection")

PAGE = 10_000  # points that an export reads at a time

RUN = (
    *("id", "workload", "run_id", "name", "project", "tags", "state", "host", "framework", "gpu_name"),
    *("gpu_count", "started", "ended", "last_seen", "points", "last_step", "exit_code", "cause"),
)

WORKLOAD = (
    *("uid", "framework", "runs", "points", "first_seen", "last_seen", "pod_count", "silent_count"),
)


def show_detection(row: Sequence[Any]) -> dict[str, Any]:
    """Return what `Store.detection` says of a verdict (JSON), its confidence, framework and time."""
    verdict = json.loads(row[0])
    return {
        "framework": row[2],
        "framework_layer": verdict.get("layer"),
        "wrapper_framework": verdict.get("wrapper_framework"),
        "base_framework": verdict.get("base_framework"),
        "confidence": row[1],
        "method": verdict.get("method"),
        "indicators": verdict.get("indicators") or [],
        "detected_at": row[3],
    }


def show_run(row: Sequence[Any]) -> dict[str, Any]:
    """Return a run, of a row that begins with the columns of `RUN`; its loss is to be added."""
    found = dict(zip(RUN, row))
    found["tags"] = json.loads(found["tags"])
    return found


def add_losses(
    runs: Sequence[dict[str, Any]], last_values: Iterable[tuple[int, str, float]]
) -> list[dict[str, Any]]:
    """Return runs with their losses, of (run, metric, last value); of one name the last stands."""
    values: dict[int, dict[str, float]] = {run["id"]: {} for run in runs}
    for run, name, value in last_values:
        values[run][name] = value
    for found in runs:
        named = values[found["id"]]
        loss = choose_loss(named)
        found["loss"] = None if loss is None else {"name": loss, "value": named[loss]}
    return list(runs)


def read_in_pages(
    reading: Callable[[], AbstractContextManager[Connection]],
    series_of: Callable[[Connection, int], Iterable[tuple[int, str, str, str]]],
    page_of: Callable[[Connection, int, Any, int], Sequence[tuple[int, int, float]]],
    run: int,
) -> Iterator[tuple[str, str, str, int, int, float]]:
    """Yield what `Store.export` does, page by page, so that a slow taker holds up nobody.

    What is stored meanwhile may be among them.
    """
    with reading() as connection:
        found = list(series_of(connection, run))
    for series, name, source, tags in found:
        after: tuple[int, int] | None = None
        while True:
            with reading() as connection:
                page = page_of(connection, series, after, PAGE)
            for step, ts, value in page:
                yield name, source, tags, step, ts, value
            if len(page) < PAGE:
                break
            after = page[-1][:2]
