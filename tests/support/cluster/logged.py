"""What a script of a test says it has logged, what W&B recorded of it, and what a processor has."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Callable

from ..delivery import wait_until
from ..recorded import recorded_points

INTERVAL = 2.0  # seconds: FLUSH_INTERVAL of those scripts
Row = tuple[str, int, float]  # metric, step, value

# Every call also goes into a file: W&B's own record lacks the last ones of a process that was killed.
LOG = """
import json, os, signal, sys, time
import wandb

def log(run, record, step, loss):
    now = time.time()
    run.log({"loss": loss, "time": now}, step=step)
    record.write(json.dumps([step, loss, now]) + "\\n")
"""


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait for something that it takes a process or a request to see."""
    wait_until(condition, seconds=60, every=0.2)


def written_rows(record: Path) -> Counter[Row]:
    """Return all points that a script says it has logged."""
    rows: Counter[Row] = Counter()
    for line in record.read_text().splitlines():
        step, loss, now = json.loads(line)
        rows.update([("loss", step, loss), ("time", step, now)])
    return rows


def stored_rows(get: Callable[..., Any], workload: str) -> Counter[Row]:
    """Return all points that a processor has of a workload; `get` asks it."""
    found = get(f"/workloads/{workload}/metrics/data", metrics="all", limit=100_000)
    assert not found["truncated"]
    return Counter((row["metric_name"], row["iteration"], row["value"]) for row in found["data"])


def recorded_rows(folders: Iterable[Path]) -> dict[str, Counter[Row]]:
    """Return all points in W&B's own record below some folders, by run."""
    rows: defaultdict[str, Counter[Row]] = defaultdict(Counter)
    for folder in folders:
        for point in recorded_points(folder):
            rows[point.run_id][point.name, point.step, point.value] += 1
    return rows


def check_killed(stored: Counter[Row], written: Counter[Row]) -> None:
    """Assert that a killed process lost nothing but what was younger than the interval and a second."""
    assert not stored - written  # nothing twice
    moments = {step: value for name, step, value in written if name == "time"}
    first_lost = min((step for _, step, _ in written - stored), default=max(moments))
    assert moments[first_lost] > max(moments.values()) - INTERVAL - 1
