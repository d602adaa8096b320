"""What is said of GPUs: one record a device, and all of them with their driver."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """One GPU as a framework counts them: a whole one, or a partition of one.

    `memory_bytes` and `multi_processors` are 0, texts empty, where they are not known.
    """

    index: int  # among those visible to this process, from 0
    vendor: str  # "nvidia", "amd", "intel"
    name: str
    arch: str = ""  # "sm_90", "gfx942"
    memory_bytes: int = 0
    major: int = 0  # of the compute capability, or of the gfx version
    minor: int = 0
    multi_processors: int = 0  # streaming multiprocessors, or compute units
    uuid: str = ""  # "GPU-…", "MIG-…" as the vendor's tools print it
    partition: str = ""  # "MIG 1g.10gb", "CPX/NPS4"; empty for a whole GPU
    pci: str = ""  # address of the board, "0000:1b:00.0": partitions of one share it
    folder: str = ""  # where the board's files are below `/sys`


@dataclass(frozen=True)
class Inventory:
    """The GPUs visible to this process, and what is known of the machine's."""

    gpus: tuple[Gpu, ...] = ()
    host_count: int = 0  # all on the machine, as far as it can be seen from here
    driver_version: str = ""
    cuda_version: str = ""  # the newest that the driver supports
    rocm_version: str = ""
