"""What the process computes on: its GPUs, with driver and toolkit versions."""

from __future__ import annotations

from typing import Any

from .compute.gpus import describe_gpu
from .gpu import Gpu, Inventory

_GIB = 1024**3


def describe(inventory: Inventory) -> dict[str, Any]:
    """Return an inventory as the contract has it; the first visible GPU speaks for all."""
    first = inventory.gpus[0] if inventory.gpus else Gpu(0, "", "")
    return {
        "gpu_arch": first.arch,
        "gpu_name": first.name,
        "gpu_count": len(inventory.gpus),
        "gpu_count_host": inventory.host_count,
        "gpu_memory_gb": _to_gib(first.memory_bytes),
        "driver_version": inventory.driver_version,
        "cuda_version": inventory.cuda_version,
        "rocm_version": inventory.rocm_version,
        "gpus": [_describe_gpu(gpu) for gpu in inventory.gpus],
    }


def _describe_gpu(gpu: Gpu) -> dict[str, Any]:
    """Return what the compute metadata tell of a GPU, and more; what is not known is left out."""
    more = {"vendor": gpu.vendor, "arch": gpu.arch, "uuid": gpu.uuid, "partition": gpu.partition}
    described = {**describe_gpu(gpu), **more}
    return {name: value for name, value in described.items() if value or name in ("index", "minor")}


def _to_gib(size: int) -> float:
    return round(size / _GIB, 2)
