"""Twenty thousand calls as fast as wandb takes them: does every point arrive, and at what price."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from .pairs import added, interleave, worst
from .stand_in import STEP
from .table import Row
from .workshop import Workshop

TITLE = "20 000 five-metric calls flat out, wandb offline, default settings"

_CALLS = 20_000
_ROUNDS = 5


def log_flat_out() -> dict[str, Any]:
    """Log without a pause; return the seconds it took and what was dropped."""
    import wandb

    from primus_lens_wandb_exporter.api_reporter import get_global_reporter

    run = wandb.init(project="benchmarks")
    started = time.perf_counter()
    for _ in range(_CALLS):
        run.log(STEP)
    logged = time.perf_counter() - started
    run.finish()
    reporter = get_global_reporter()
    reporter.flush(30)
    dropped = reporter.stats["dropped"].get("metrics", {})
    return {"logged": logged, "dropped": sum(dropped.values())}


def measure(workshop: Workshop) -> Iterator[Row]:
    """Run the burst in turns, with and without the hook."""
    with workshop.processor() as processor:

        def burst(hooked: bool) -> dict[str, Any]:
            result = workshop.measure(log_flat_out, hooked=hooked, environ=processor.environ).result
            return {**result, "missing": _CALLS * len(STEP) - processor.take_points()}

        rounds = interleave(
            _ROUNDS, {"with": lambda: burst(hooked=True), "without": lambda: burst(hooked=False)}
        )
    yield Row("points missing at the processor, worst", worst(_field(rounds["with"], "missing")), "", 0)
    yield Row("points counted as dropped, worst", worst(_field(rounds["with"], "dropped")), "", 0)
    durations = (_field(rounds[side], "logged") for side in ("with", "without"))
    yield Row("time of all calls", added(*durations), "s")


def _field(results: list[dict[str, Any]], name: str) -> list[float]:
    return [result[name] for result in results]
