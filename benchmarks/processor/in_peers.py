"""What is done in the peers' own environment, in which nothing of ours is installed."""

from __future__ import annotations

import logging
import time
from functools import partial
from pathlib import Path
from typing import Any, Callable

_STEPS = 100_000  # of one series, which is then read
_SINGLE_CALLS = 100
_METRICS = [f"metric_{number}" for number in range(10)]
_READ = _METRICS[:3]


def in_trackio() -> dict[str, Any]:
    """Log ten metrics a step, and read some of them back."""
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    run = trackio.init(project="benchmark", name="run", embed=False)
    started = time.perf_counter()
    for step in range(_STEPS):
        trackio.log({name: step / (number + 7) for number, name in enumerate(_METRICS)}, step=step)
    trackio.finish()
    seconds = time.perf_counter() - started
    read = partial(SQLiteStorage.get_metric_values, "benchmark", "run", run_id=run.id)
    files = [path for path in Path(trackio.utils.TRACKIO_DIR).rglob("*") if path.is_file()]
    points = _STEPS * len(_METRICS)
    return {
        "rate": points / seconds,
        "read": [_milliseconds(partial(read, metric_name=name)) for name in _READ],
        "thinned": [_milliseconds(partial(read, metric_name=name, max_points=1000)) for name in _READ],
        "bytes": sum(path.stat().st_size for path in files) / points,
    }


def in_mlflow() -> dict[str, Any]:
    """Log one series in batches of 1000 points, the most it takes; read it; log steps one by one."""
    import mlflow
    from mlflow.entities import Metric

    logging.disable()
    client = mlflow.MlflowClient()
    run = client.create_run(client.create_experiment("benchmark")).info.run_id
    database = Path("mlflow.db")  # where it is by default
    empty = database.stat().st_size
    started = time.perf_counter()
    for first in range(0, _STEPS, 1000):
        now = int(time.time() * 1000)
        batch = [Metric("loss", step / 7, now, step) for step in range(first, first + 1000)]
        client.log_batch(run, batch)
    seconds = time.perf_counter() - started
    size = database.stat().st_size - empty
    reads = [_milliseconds(lambda: client.get_metric_history(run, "loss")) for _ in _READ]
    mlflow.start_run(run_id=run)
    started = time.perf_counter()
    for step in range(_SINGLE_CALLS):
        mlflow.log_metrics(dict.fromkeys(_METRICS, step / 7), step=step)
    single = time.perf_counter() - started
    return {
        "rate": _STEPS / seconds,
        "single": _SINGLE_CALLS * len(_METRICS) / single,
        "read": reads,
        "bytes": size / _STEPS,
    }


def _milliseconds(read: Callable[[], Any]) -> float:
    started = time.perf_counter()
    read()
    return 1000 * (time.perf_counter() - started)
