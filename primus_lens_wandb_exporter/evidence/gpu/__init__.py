"""The GPUs of this machine: which there are, and which of them this process is meant to see.

Looked up in files and by NVML; nothing is started, no CUDA or HIP context made, no GPU woken.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ... import guard
from ..probe import Probe
from . import amd, intel, nvidia
from .inventory import Gpu as Gpu
from .inventory import Inventory as Inventory

_VENDORS = (nvidia.find_gpus, amd.find_gpus, intel.find_gpus)


def take_inventory(probe: Probe) -> Inventory:
    """Return the GPUs visible to this process, numbered as a framework does, and the machine's count.

    A vendor whose look-up fails is left out. CUDA is taken to number boards by PCI address; its default
    differs from that only where boards of different speed are mixed.
    """
    found: list[Inventory] = []
    for find_gpus in _VENDORS:
        with guard.boundary:
            found.append(find_gpus(probe))
    gpus = [gpu for part in found for gpu in part.gpus]
    return Inventory(
        tuple(replace(gpu, index=at) for at, gpu in enumerate(gpus)),
        sum(part.host_count for part in found),
        _first(part.driver_version for part in found),
        _first(part.cuda_version for part in found),
        _first(part.rocm_version for part in found),
    )


def _first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")
