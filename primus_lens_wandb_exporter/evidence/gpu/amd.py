"""AMD GPUs by sysfs: the compute driver's topology, joined to the graphics driver's devices."""

from __future__ import annotations

import re

from ..probe import Probe
from . import kfd
from .inventory import Gpu, Inventory
from .visible import choose_hip, choose_rocr

# By device id, where a board does not tell (a virtual function has no product name): libdrm, amdgpu.ids.
_NAMES = {
    0x738C: "AMD Instinct MI100",
    0x7408: "AMD Instinct MI250X",
    0x740C: "AMD Instinct MI250X / MI250",
    0x740F: "AMD Instinct MI210",
    0x74A0: "AMD Instinct MI300A",
    0x74A1: "AMD Instinct MI300X",
    0x74A2: "AMD Instinct MI308X",
    0x74A5: "AMD Instinct MI325X",
    0x74B5: "AMD Instinct MI300X VF",
    0x74B9: "AMD Instinct MI325X VF",
    0x75A0: "AMD Instinct MI350X",
    0x75A3: "AMD Instinct MI355X",
}
_VERSION = re.compile(r"\d+(?:\.\d+)+", re.ASCII)


def find_gpus(probe: Probe) -> Inventory:
    """Return the AMD GPUs visible to this process; a partition counts as one, as HIP has it.

    A GPU can be used where the compute driver's device and its own render device are there (ROCr opens
    both).
    """
    nodes, hidden = kfd.list_nodes(probe)
    version = _VERSION.match(probe.read_text("/sys/module/amdgpu/version", 64) or "") if nodes else None
    rocm_version = _find_rocm_version(probe)
    if not nodes:
        return Inventory((), hidden, rocm_version=rocm_version)
    rendering = set(probe.list_folder("/dev/dri")) if "kfd" in probe.list_folder("/dev") else set()
    usable = [node for node in nodes if f"renderD{node.properties.get('drm_render_minor')}" in rendering]
    gpus = [_describe(probe, node, at) for at, node in enumerate(usable)]
    return Inventory(
        tuple(_choose(probe, gpus)),
        len(nodes) + hidden,
        version[0] if version else "",
        rocm_version=rocm_version,
    )


def _choose(probe: Probe, gpus: list[Gpu]) -> list[Gpu]:
    """Return what the variables leave of the usable GPUs.

    HIP reads one of its two, and the CUDA one only where its own is empty. `GPU_DEVICE_ORDINAL` is
    documented for HIP too ("GPU isolation techniques"), yet read for OpenCL alone (ROCm clr,
    `rocdevice.cpp`): it counts where neither is set, never on top of them.
    """
    environ = probe.environ
    names = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
    value = next((environ[name] for name in names if environ.get(name)), None)
    return choose_hip(value, choose_rocr(environ.get("ROCR_VISIBLE_DEVICES"), gpus))


def _describe(probe: Probe, node: kfd.Node, at: int) -> Gpu:
    properties = node.properties
    folder = _find_folder(probe, node)
    version = properties.get("gfx_target_version", 0)
    major, minor, _ = kfd.split_version(version)
    arch = kfd.name_arch(version)
    device = properties.get("device_id", 0)
    unique = properties.get("unique_id", 0)
    return Gpu(
        index=at,
        vendor="amd",
        name=_read(probe, f"{folder}/product_name")
        or _NAMES.get(device, "")
        or f"AMD GPU {arch}".strip(),
        arch=arch,
        memory_bytes=kfd.read_memory(probe, node)
        or _read_number(probe, f"{folder}/mem_info_vram_total"),
        major=major,
        minor=minor,
        multi_processors=properties.get("simd_count", 0) // max(properties.get("simd_per_cu", 0), 1),
        uuid=f"GPU-{unique:016x}" if unique else "",
        partition=_read_partition(probe, folder),
        pci=node.address,
        folder=folder,
    )


def _find_folder(probe: Probe, node: kfd.Node) -> str:
    """Return where a board's files are. All partitions but the first have a bare render device."""
    folder = f"/sys/class/drm/renderD{node.properties.get('drm_render_minor')}/device"
    return folder if _read(probe, f"{folder}/vendor") else f"/sys/bus/pci/devices/{node.address}"


def _read_partition(probe: Probe, folder: str) -> str:
    compute = _read(probe, f"{folder}/current_compute_partition")
    memory = _read(probe, f"{folder}/current_memory_partition")
    return "" if compute in ("", "SPX") else "/".join(filter(None, (compute, memory)))


def _read(probe: Probe, path: str) -> str:
    return (probe.read_text(path, 256) or "").strip()


def _read_number(probe: Probe, path: str) -> int:
    text = _read(probe, path)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 20 else 0


def _find_rocm_version(probe: Probe) -> str:
    """Return the ROCm release installed below `/opt`: "6.4.1" of "6.4.1-83"."""
    releases = [name for name in probe.list_folder("/opt") if name.startswith("rocm")]
    for name in sorted(releases, key=lambda name: (name != "rocm", name)):
        version = _VERSION.match(probe.read_text(f"/opt/{name}/.info/version", 64) or "")
        if version is not None:
            return version[0]
    return ""
