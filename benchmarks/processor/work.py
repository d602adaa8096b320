"""What is stored: runs of ten metrics, a hundred steps a delivery, as the exporter would send them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

METRICS = ("train/loss", *(f"train/metric_{n}" for n in range(1, 10)))
STEPS = 100  # of a delivery
POINTS = STEPS * len(METRICS)  # of a delivery
STARTED = 1_700_000_000  # Unix seconds; each step takes one

_random = random.Random(0)
_VALUES = [
    _random.random() for _ in range(1009)
]  # with all their digits; a prime, so that series differ


def points(first_step: int) -> Iterator[tuple[str, int, float, float]]:
    """Yield (name, step, timestamp in seconds, value) of one delivery."""
    for number, name in enumerate(METRICS):
        for step in range(first_step, first_step + STEPS):
            yield name, step, float(STARTED + step), _VALUES[(step + 101 * number) % len(_VALUES)]


def body(workload: str, first_step: int) -> dict[str, Any]:
    """Return a body of points of a workload's only run, as the contract has it."""
    return {
        "source": "wandb",
        "workload_uid": workload,
        "pod_uid": f"{workload}-uid",
        "pod_name": f"{workload}-pod",
        "run_id": "run",
        "timestamp": float(STARTED + first_step + STEPS),
        "metrics": [
            {"name": name, "value": value, "step": step, "timestamp": timestamp, "tags": {}}
            for name, step, timestamp, value in points(first_step)
        ],
    }
