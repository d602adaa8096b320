"""What this process was given to compute with: CPUs, memory, GPUs, the Slurm job, the configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Callable

from ... import guard
from ..gpu import Gpu
from ..probe import Probe
from .config import describe_model, describe_runtime
from .cpus import count_cpus
from .gpus import describe_gpus
from .memory import measure_memory
from .slurm import describe_job
from .system import describe_system


def describe_compute(
    probe: Probe, cfg: Any = None, gpus: Sequence[Gpu] = (), host_count: int = 0
) -> dict[str, Any]:
    """Return the compute metadata, JSON-safe; a part that fails is left out.

    Objects `system`, `slurm` (empty outside Slurm), `model` and `runtime` (empty without a
    configuration), and the flat keys `compute.cpu_count`, `compute.cpu_architecture`,
    `compute.gpu_count`, `compute.gpu_type` (empty if not known), `compute.gpus` and
    `compute.memory_gb` (GiB).

    Args:
        probe: the outside world.
        cfg: a Hydra or OmegaConf configuration, any mapping, or an object with attributes.
        gpus: those that the inventory found visible.
        host_count: how many it found in all.
    """
    parts: tuple[Callable[[], dict[str, Any]], ...] = (
        lambda: {"system": describe_system(probe)},
        lambda: {"compute.cpu_count": count_cpus(probe)},
        lambda: {"compute.cpu_architecture": os.uname().machine},
        lambda: describe_gpus(probe.environ, gpus, host_count),
        lambda: _describe_memory(probe),
        lambda: {"slurm": describe_job(probe.environ)},
        lambda: {"model": describe_model(cfg)},
        lambda: {"runtime": describe_runtime(cfg)},
    )
    metadata: dict[str, Any] = {}
    for describe_part in parts:
        with guard.boundary:
            metadata.update(describe_part())
    return metadata


def summary_line(metadata: Mapping[str, Any]) -> str:
    """Return the line that says that the metadata were logged."""
    cpus = _count(metadata.get("compute.cpu_count", 0), "CPU")
    return f"✓ Logged compute metadata: {cpus}, {_count(metadata.get('compute.gpu_count', 0), 'GPU')}"


def _describe_memory(probe: Probe) -> dict[str, float]:
    memory = measure_memory(probe)
    return {} if memory is None else {"compute.memory_gb": round(memory / 2**30, 2)}


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
