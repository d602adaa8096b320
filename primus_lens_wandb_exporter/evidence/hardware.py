"""What the process computes on: its GPUs, with driver and toolkit versions."""

from __future__ import annotations

from typing import Any

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
        "gpus": [describe_gpu(gpu) for gpu in inventory.gpus],
    }


def describe_gpu(gpu: Gpu) -> dict[str, Any]:
    """Return one GPU; what is not known of it is left out. Memory is in GiB."""
    known = {
        "vendor": gpu.vendor,
        "name": gpu.name,
        "arch": gpu.arch,
        "total_memory_gb": _to_gib(gpu.memory_bytes),
        "multi_processor_count": gpu.multi_processors,
        "uuid": gpu.uuid,
        "partition": gpu.partition,
    }
    version = {"major": gpu.major, "minor": gpu.minor} if gpu.major else {}
    return {"index": gpu.index, **{name: value for name, value in known.items() if value}, **version}


def _to_gib(size: int) -> float:
    return round(size / _GIB, 2)
