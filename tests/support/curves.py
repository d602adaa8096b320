"""Metrics as frameworks log them: their names, and how they move."""

from __future__ import annotations

import math
import random
from typing import Callable, NamedTuple

SYSTEM_EVERY = 10  # steps


class Curve(NamedTuple):
    """A metric: its value by progress (0 to 1) and noise (-1 to 1), each so many steps."""

    value: Callable[[float, float], float]
    every: int = 1


def falling(top: float, bottom: float, noise: float = 0.04) -> Callable[[float, float], float]:
    """Return a curve as losses have it."""
    return lambda progress, luck: (
        (bottom + (top - bottom) * math.exp(-5 * progress)) * (1 + noise * luck)
    )


def rising(top: float) -> Callable[[float, float], float]:
    """Return a curve as accuracies have it."""
    return lambda progress, luck: top * (1 - math.exp(-4 * progress)) + 0.01 * luck * (1 - progress)


def warming(peak: float) -> Callable[[float, float], float]:
    """Return a learning rate that is warmed up and then falls by a cosine."""
    return lambda progress, luck: peak * min(progress * 20, (1 + math.cos(math.pi * progress)) / 2)


def around(level: float, spread: float) -> Callable[[float, float], float]:
    """Return a curve that stays where it is."""
    return lambda progress, luck: level + spread * luck


STYLES: dict[str, dict[str, Curve]] = {
    "transformers": {
        "train/loss": Curve(falling(10.8, 2.1)),
        "train/grad_norm": Curve(falling(4.0, 0.6, 0.3)),
        "train/learning_rate": Curve(warming(3e-4)),
        "train/epoch": Curve(lambda progress, luck: 3 * progress),
        "eval/loss": Curve(falling(9.0, 2.3, 0.01), 50),
        "eval/accuracy": Curve(rising(0.71), 50),
        "eval/runtime": Curve(around(12.5, 0.8), 50),
    },
    "lightning": {
        "train_loss_step": Curve(falling(2.3, 0.25, 0.15)),
        "train_loss_epoch": Curve(falling(2.2, 0.26, 0.01), 50),
        "val_loss": Curve(falling(2.1, 0.31, 0.02), 50),
        "val_acc": Curve(rising(0.93), 50),
        "lr-AdamW": Curve(warming(1e-3)),
        "epoch": Curve(lambda progress, luck: math.floor(20 * progress)),
    },
    "": {
        "loss": Curve(falling(1.6, 0.1)),
        "accuracy": Curve(rising(0.97)),
        "optim.lr": Curve(warming(0.1)),
        "time.forward_ms": Curve(around(41, 6)),
        "tokens": Curve(lambda progress, luck: 4e9 * progress),
    },
}


def values_at(seed: str, style: str, step: int, progress: float, gpus: int) -> dict[str, float]:
    """Return what a run logs at a step, the same each time; `progress` goes from 0 to 1."""
    luck = random.Random(f"{seed}/{step}")
    pace = random.Random(seed).uniform(0.4, 1.6)  # which is the run's own
    values = {
        name: curve.value(progress**pace, luck.uniform(-1, 1))
        for name, curve in STYLES[style].items()
        if step % curve.every == 0
    }
    if step % SYSTEM_EVERY == 0:
        values.update(_system(luck, gpus))
    return values


def _system(luck: random.Random, gpus: int) -> dict[str, float]:
    values = {
        "primus_lens.system.cpu_percent": 35 + 10 * luck.random(),
        "primus_lens.system.memory_percent": 61 + luck.random(),
        "primus_lens.process.rss_mib": 18_000 + 900 * luck.random(),
    }
    for index in range(gpus):
        values[f"primus_lens.gpu.{index}.utilization_percent"] = 90 + 9 * luck.random()
        values[f"primus_lens.gpu.{index}.memory_used_mib"] = 170_000 + 5_000 * luck.random()
    return values
