"""The GPUs of this process, as the compute metadata tells of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..gpu import Gpu
from . import slurm

# NVIDIA_VISIBLE_DEVICES is the container runtime's: `all`, `none` and `void` stand in images and say
# nothing of what was injected in the end.
_VISIBLE = (
    "CUDA_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "NVIDIA_VISIBLE_DEVICES",
)
_RUNTIME_WORDS = frozenset(("", "all", "none", "void"))
_DEVICE = re.compile(r"[0-9]{1,5}|(?:GPU|MIG)-\S{1,128}")


def describe_gpus(
    environ: Mapping[str, str], gpus: Sequence[Gpu], host_count: int = 0
) -> dict[str, Any]:
    """Return the `compute.gpu…` fields.

    Args:
        environ: visible-device variables and Slurm's.
        gpus: the inventory's, in which the visible-device variables have had their effect.
        host_count: how many the inventory saw before that.
    """
    count = count_gpus(environ, len(gpus), host_count)
    names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus if gpu.name))
    return {
        "compute.gpu_count": count,
        "compute.gpu_type": (names or slurm.name_gpu_type(environ)) if count else "",
        "compute.gpus": [describe_gpu(gpu) for gpu in gpus],
    }


def count_gpus(environ: Mapping[str, str], seen: int, host_count: int = 0) -> int:
    """Return the number that the visible-device variables, else Slurm, else the inventory gives.

    What the inventory saw it saw through those variables, and Slurm cannot give what is not there; where
    it saw nothing, for want of a driver or its library, they speak for themselves.
    """
    listed = [count for name in _VISIBLE for count in _count_listed(name, environ.get(name))]
    if listed:
        return seen if seen or host_count else min(listed)
    allotted = slurm.count_job_gpus(environ)
    return min(allotted, seen) if allotted and seen else allotted or seen


def _count_listed(name: str, devices: str | None) -> list[int]:
    if devices is None or (name == "NVIDIA_VISIBLE_DEVICES" and devices in _RUNTIME_WORDS):
        return []
    if not devices and name in ("HIP_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"):  # which hides nothing
        return []
    # CUDA sees the devices before the first that is none (`-1`): the programming guide's rule.
    seen: list[str] = []
    for device in devices.split(","):
        if not _DEVICE.fullmatch(device.strip()):
            break
        seen.append(device.strip())
    return [len(set(seen))]


def describe_gpu(gpu: Gpu) -> dict[str, Any]:
    """Return one GPU; a number that is not known is left out. Memory is in GiB."""
    described: dict[str, Any] = {"index": gpu.index, "name": gpu.name}
    if gpu.memory_bytes:
        described["total_memory_gb"] = round(gpu.memory_bytes / 2**30, 2)
    if gpu.major:
        described.update(major=gpu.major, minor=gpu.minor)
    if gpu.multi_processors:
        described["multi_processor_count"] = gpu.multi_processors
    return described
