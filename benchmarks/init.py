"""What the hook does in the user's thread when `wandb.init` returns."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

from .pairs import summarise
from .table import Row
from .workshop import Workshop

TITLE = "Delay of `wandb.init`, offline, first run of a process"

_ROUNDS = 7
_BUDGET = 2.0  # ms
_CONFIGS = {"a config of ten values": 10, "a config of 2000 values, nested": 2000}


def delay_init(values: int) -> float:
    """Return how long (ms) the hook takes at the first run, whose config has so many values."""
    import wandb

    from primus_lens_wandb_exporter import wandb_hook

    config = {f"section{i}": {f"name{j}": "value" for j in range(10)} for i in range(values // 10)}
    original = wandb.init.__primus_lens_original__  # type: ignore[attr-defined]
    run = original(project="benchmarks", config=config)

    def give_back() -> Any:
        return run

    started = perf_counter()
    hooked = wandb_hook._wrap_init(give_back)
    hooked()
    return (perf_counter() - started) * 1000


def measure(workshop: Workshop) -> Iterator[Row]:
    """Begin a run in fresh processes."""
    with workshop.processor() as processor:
        for what, values in _CONFIGS.items():
            delays = [
                workshop.measure(delay_init, values, environ=processor.environ).result
                for _ in range(_ROUNDS)
            ]
            yield Row(what, summarise(delays), "ms", _BUDGET)
