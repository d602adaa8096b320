"""NVIDIA GPUs by NVML; where that is silent, by what the driver says below `/proc`."""

from __future__ import annotations

import re
from dataclasses import replace

from ..probe import Probe
from .inventory import Gpu, Inventory
from .nvml import Nvml, open_nvml, whole
from .visible import choose_container, choose_cuda

_PROC = "/proc/driver/nvidia"
_VERSION = re.compile(r"Kernel Module(?: for \S+)?\s+(\d[\d.]*)", re.ASCII)
_FIELD = re.compile(r"^([\w ]+):[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_INSTANCE = re.compile(r"\bMIG \S+")
_MAX_DEVICES = 1024  # of a library that answers nonsense

# Cores of one multiprocessor by compute capability (CUDA samples, `helper_cuda.h`).
_CORES = {
    (3, 0): 192,
    (3, 5): 192,
    (3, 7): 192,
    (6, 0): 64,
    (7, 0): 64,
    (7, 2): 64,
    (7, 5): 64,
    (8, 0): 64,
}
_CORES_SINCE_MAXWELL = 128


def find_gpus(probe: Probe) -> Inventory:
    """Return the NVIDIA GPUs visible to this process."""
    listed = probe.list_folder(f"{_PROC}/gpus")
    version = _VERSION.search(probe.read_text(f"{_PROC}/version", 1024) or "")
    found = Inventory((), len(listed), version[1] if version else "")
    nvml = open_nvml(probe)
    if nvml is None:
        found = replace(found, gpus=tuple(_read_proc(probe, listed)))
    else:
        try:
            gpus = tuple(_list_devices(nvml))
            found = Inventory(
                gpus,
                max(len(gpus), len(listed)),
                nvml.text("nvmlSystemGetDriverVersion") or found.driver_version,
                _read_cuda_version(nvml),
            )
        finally:
            nvml.close()
    gpus_left = choose_container(probe.environ.get("NVIDIA_VISIBLE_DEVICES"), found.gpus)
    return replace(found, gpus=tuple(choose_cuda(probe.environ.get("CUDA_VISIBLE_DEVICES"), gpus_left)))


def _list_devices(nvml: Nvml) -> list[Gpu]:
    """Return boards in NVML's order, that of their PCI addresses; one in MIG mode by its instances."""
    gpus: list[Gpu] = []
    for at in range(min(nvml.number("nvmlDeviceGetCount"), _MAX_DEVICES)):
        handle = nvml.ask("nvmlDeviceGetHandleByIndex", at)
        board = _describe_board(nvml, handle, at)
        mode = nvml.ask("nvmlDeviceGetMigMode", handle)
        if not isinstance(mode, (list, tuple)) or not mode or mode[0] != 1:
            gpus.append(board)
        else:
            gpus += _list_instances(nvml, handle, board) or [replace(board, partition="MIG")]
    return gpus


def _describe_board(nvml: Nvml, handle: object, at: int) -> Gpu:
    capability = nvml.ask("nvmlDeviceGetCudaComputeCapability", handle)
    if not isinstance(capability, (tuple, list)) or len(capability) != 2:
        capability = (0, 0)
    major, minor = whole(capability[0]), whole(capability[1])
    pci = getattr(nvml.ask("nvmlDeviceGetPciInfo", handle), "busId", b"")
    cores = nvml.number("nvmlDeviceGetNumGpuCores", handle)
    memory = nvml.ask("nvmlDeviceGetMemoryInfo", handle)
    return Gpu(
        index=at,
        vendor="nvidia",
        name=nvml.text("nvmlDeviceGetName", handle) or "NVIDIA GPU",
        arch=f"sm_{major}{minor}" if major else "",
        memory_bytes=whole(getattr(memory, "total", 0)),
        major=major,
        minor=minor,
        multi_processors=cores // _CORES.get((major, minor), _CORES_SINCE_MAXWELL) if major else 0,
        uuid=nvml.text("nvmlDeviceGetUUID", handle),
        pci=_normal_address(pci) or f"nvml:{at}",
    )


def _list_instances(nvml: Nvml, parent: object, board: Gpu) -> list[Gpu]:
    """Return a board's MIG devices. Their attributes are the one place where NVML tells processors."""
    instances: list[Gpu] = []
    for at in range(min(nvml.number("nvmlDeviceGetMaxMigDeviceCount", parent), _MAX_DEVICES)):
        handle = nvml.ask("nvmlDeviceGetMigDeviceHandleByIndex", parent, at)
        if handle is None:  # no instance in this place, or none for this container
            continue
        attributes = nvml.ask("nvmlDeviceGetAttributes", handle)
        memory = nvml.ask("nvmlDeviceGetMemoryInfo", handle)
        size = whole(getattr(memory, "total", 0))
        profile = _INSTANCE.search(nvml.text("nvmlDeviceGetName", handle))
        instances.append(
            replace(
                board,
                memory_bytes=size or whole(getattr(attributes, "memorySizeMB", 0)) << 20,
                multi_processors=whole(getattr(attributes, "multiprocessorCount", 0)),
                uuid=nvml.text("nvmlDeviceGetUUID", handle),
                partition=profile[0] if profile else "MIG device",
            )
        )
    return instances


def _read_cuda_version(nvml: Nvml) -> str:
    """Return the newest CUDA that the driver supports: 12040 is 12.4."""
    number = nvml.number("nvmlSystemGetCudaDriverVersion_v2") or nvml.number(
        "nvmlSystemGetCudaDriverVersion"
    )
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""


def _read_proc(probe: Probe, folders: list[str]) -> list[Gpu]:
    """Return the GPUs of `/proc` whose device file is here; its folder shows all of the machine's."""
    devices = probe.list_folder("/dev") if folders else []
    gpus: list[Gpu] = []
    for folder in folders:
        fields = dict(_FIELD.findall(probe.read_text(f"{_PROC}/gpus/{folder}/information", 4096) or ""))
        if f"nvidia{fields.get('Device Minor')}" not in devices:
            continue
        uuid = fields.get("GPU UUID", "")
        gpus.append(
            Gpu(
                index=len(gpus),
                vendor="nvidia",
                name=fields.get("Model") or "NVIDIA GPU",
                uuid="" if "?" in uuid else uuid,  # not known before the GPU has been used
                pci=_normal_address(folder) or f"proc:{folder}",
            )
        )
    return gpus


def _normal_address(address: object) -> str:
    """Return a PCI address as the kernel writes it: NVML's has a domain of eight digits, in capitals."""
    text = address.decode("ascii", "replace") if isinstance(address, bytes) else address
    return text.lower()[-12:] if isinstance(text, str) else ""
