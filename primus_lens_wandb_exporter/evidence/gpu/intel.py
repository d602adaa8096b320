"""Intel's discrete GPUs by sysfs. Integrated graphics train nothing and do not count."""

from __future__ import annotations

import re

from ..probe import Probe
from .inventory import Gpu, Inventory
from .visible import choose_level_zero

_RENDER_DEVICE = re.compile(r"renderD\d+", re.ASCII)
_NUMBER = re.compile(r"0x[0-9a-f]{1,4}", re.ASCII)
# The high byte of a device id tells the family (Linux, `include/drm/intel/pciids.h`): Ponte Vecchio,
# DG1, DG2 with its data center sisters, Battlemage.
_DISCRETE = (0x0B, 0x49, 0x56, 0xE2)
_NAMES = {
    0x0BD5: "Intel Data Center GPU Max 1550",
    0x0BDA: "Intel Data Center GPU Max 1100",
    0x56C0: "Intel Data Center GPU Flex 170",
    0x56C1: "Intel Data Center GPU Flex 140",
    0x56A0: "Intel Arc A770",
    0x56A1: "Intel Arc A750",
    0xE20B: "Intel Arc B580",
    0xE20C: "Intel Arc B570",
}


def find_gpus(probe: Probe) -> Inventory:
    """Return the discrete Intel GPUs visible to this process."""
    found = [name for name in probe.list_folder("/sys/class/drm") if _RENDER_DEVICE.fullmatch(name)]
    devices = set(probe.list_folder("/dev/dri")) if found else set()
    gpus: list[Gpu] = []
    count = 0
    for name in sorted(found, key=lambda name: int(name[7:])):
        folder = f"/sys/class/drm/{name}/device"
        device = _read_id(probe, f"{folder}/device")
        if _read_id(probe, f"{folder}/vendor") != 0x8086 or device >> 8 not in _DISCRETE:
            continue
        count += 1
        if name in devices:
            title = _NAMES.get(device) or f"Intel GPU {device:#06x}"
            gpus.append(
                Gpu(
                    len(gpus),
                    "intel",
                    title,
                    memory_bytes=_read_memory(probe, folder),
                    pci=_read_address(probe, folder) or name,
                )
            )
    return Inventory(tuple(choose_level_zero(probe.environ.get("ZE_AFFINITY_MASK"), gpus)), count)


def _read_id(probe: Probe, path: str) -> int:
    text = (probe.read_text(path, 16) or "").strip().lower()
    return int(text, 16) if _NUMBER.fullmatch(text) else 0


def _read_address(probe: Probe, folder: str) -> str:
    found = re.search(r"^PCI_SLOT_NAME=(\S+)$", probe.read_text(f"{folder}/uevent", 4096) or "", re.M)
    return found[1] if found else ""


def _read_memory(probe: Probe, folder: str) -> int:
    """Return bytes of video memory where the driver tells: xe by tile, Intel's own i915 by card."""
    paths = [
        f"{folder}/{name}/physical_vram_size_bytes"
        for name in probe.list_folder(folder)
        if name.startswith("tile")
    ]
    cards = [name for name in probe.list_folder(f"{folder}/drm") if name.startswith("card")]
    paths += [f"{folder}/drm/{name}/lmem_total_bytes" for name in cards]
    texts = [(probe.read_text(path, 32) or "").strip() for path in paths]
    sizes = [
        int(text, 0) for text in texts if re.fullmatch(r"0x[0-9a-f]{1,16}|[1-9]\d{0,19}", text, re.A)
    ]
    return sum(sizes)
