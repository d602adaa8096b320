"""Deliveries as the tests of the store need them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from primus_lens_wandb_exporter.processor.store import Delivery, Detection, Entry, Stored


def delivery(key: str, points: list[Stored] | tuple[Stored, ...] = (), **fields: Any) -> Delivery:
    """A delivery of workload `w`, run `r`, received at 1000 microseconds, unless told otherwise."""
    told = {"workload": "w", "source": "wandb", "received": 1000, "run_id": "r", **fields}
    return Delivery(key=key, points=points, **told)


def curve(name: str, steps: int, first: int = 0, tags: tuple[tuple[str, str], ...] = ()) -> list[Stored]:
    """One point a step and a microsecond, its value half its step."""
    return [Stored(name, step, 100 + step, step / 2, tags) for step in range(first, first + steps)]


def entry(step: int, **data: Any) -> Entry:
    return Entry(step, 100 + step, json.dumps(data))


def detection(
    framework: str, confidence: float, timestamp: int, run_id: str = "r", **wandb: Any
) -> Detection:
    verdict: Mapping[str, Any] = {
        "framework": framework,
        "layer": "wrapper",
        "wrapper_framework": framework,
        "base_framework": "megatron",
        "confidence": confidence,
        "method": "loaded",
        "indicators": [framework],
    }
    told = {name: wandb[name] for name in ("name", "project") if name in wandb}
    for name, empty in (("config", {}), ("tags", [])):
        told[name] = json.dumps(wandb.get(name, empty))
    return Detection(run_id, timestamp, json.dumps({"wandb": wandb}), "{}", verdict, **told)
