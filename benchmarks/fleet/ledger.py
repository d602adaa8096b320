"""What is in the database, held against what the pods logged: nothing lost, nothing doubled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from primus_lens_wandb_exporter.processor.store.identity import run_id, series_id

from .database import ask
from .pod import job_of, run_of, workload_of

_SERIES = (
    "SELECT series_id, count(*), count(DISTINCT step), min(step), max(step) FROM point "
    "GROUP BY series_id"
)
_RUNS = "SELECT id, announced IS NOT NULL, ended IS NOT NULL FROM run"
_RECORDS = "SELECT run, count(*) FROM detection GROUP BY run"


class Ledger(NamedTuple):
    """The balance; all but the first two should be 0."""

    logged: int  # points that pods were given
    stored: int
    missing: int  # points logged, not stored, and not counted as dropped or pending by any exporter
    doubled: int  # stored more than once, or never logged
    dropped: Mapping[str, int]  # points and entries, by reason, as the exporters tell
    pending: int  # points that waited when their pod had ended, as they tell
    unannounced: int  # runs without exactly one detection record and a beginning
    unended: int


def balance(database: str, pods: Iterable[Mapping[str, Any]]) -> Ledger:
    """Return the balance of a database that no processor serves any more."""
    found = {series: counts for series, *counts in ask(database, _SERIES)}
    announced = {run: (begun, ended) for run, begun, ended in ask(database, _RUNS)}
    records = dict(ask(database, _RECORDS))
    dropped: Counter[str] = Counter()
    logged = stored = missing = doubled = unannounced = unended = told = pending = 0
    for pod in pods:
        for lane in pod["dropped"].values():
            dropped.update(lane)
        told += sum(pod["dropped"]["metrics"].values())
        pending += pod["pending"]["metrics"]
        calls = pod["calls"]
        for series in _series_of(pod["number"]) if calls else ():
            count, steps, first, last = found.pop(series, (0, 0, 0, 0))
            logged += calls
            stored += count
            missing += max(0, calls - steps)
            doubled += count - steps if first >= 0 and last < calls else count
        run = run_id(workload_of(pod["number"]), run_of(pod["number"]))
        begun, ended = announced.get(run, (False, False))
        unannounced += not (begun and records.get(run) == 1)
        unended += not ended
    doubled += sum(count for count, *_ in found.values())
    missing -= told + pending
    return Ledger(logged, stored, missing, doubled, dict(dropped), pending, unannounced, unended)


def _series_of(number: int) -> Iterator[int]:
    for name in job_of(number).metrics:
        yield series_id(workload_of(number), run_of(number), "wandb", name, ())
