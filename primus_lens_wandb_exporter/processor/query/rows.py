"""`GET /series/rows`: curves for tools that know tables alone, such as Grafana."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..store import Store
from .outside import key_of

_OF_A_SERIES = ("run", "name", "source", "tags")
_OF_A_BUCKET = ("min", "max", "mean", "count")


def label_runs(store: Store, keys: Iterable[str]) -> dict[str, str]:
    """Return what runs are called, by their keys: by name, with the id where two have it; else by id."""
    found = [run for run in (store.run(int(key, 16), 0) for key in keys) if run]
    times = Counter(run["name"] for run in found)
    return {key_of(run["id"]): _label(run, times[run["name"]] == 1) for run in found}


def _label(run: Mapping[str, Any], alone: bool) -> str:
    name, identity = str(run["name"]), str(run["run_id"])
    return (name if alone else f"{name} ({identity})") if name else identity


def as_rows(
    series: Iterable[Mapping[str, Any]], labels: Mapping[str, str], start: int, width: int
) -> list[dict[str, Any]]:
    """Return a row for each bucket of each series, in the order of their places on the axis.

    Args:
        series: what `/series` answers.
        labels: what the runs are called; one that went meanwhile goes by its key.
        start, width: of the grid, in the axis' unit; `x` is where a bucket begins.
    """
    rows = [row for one in series for row in _rows_of(one, labels, start, width)]
    rows.sort(key=lambda row: int(row["x"]))  # equals stay as they were
    return rows


def _rows_of(
    one: Mapping[str, Any], labels: Mapping[str, str], start: int, width: int
) -> Iterator[dict[str, Any]]:
    fixed = {**{name: one[name] for name in _OF_A_SERIES}, "label": labels.get(one["run"], one["run"])}
    columns = [one[name] for name in _OF_A_BUCKET]
    for index, *cells in zip(one["bucket"], *columns):
        yield {**fixed, "x": start + index * width, **dict(zip(_OF_A_BUCKET, cells))}
