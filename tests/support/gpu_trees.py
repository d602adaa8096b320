"""Trees of files as the drivers show them, made below a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

GIB = 1 << 30
_NODES = "sys/class/kfd/kfd/topology/nodes"


def write_files(root: Path, files: Mapping[str, str]) -> None:
    """Write texts below a root by path."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def add_cpu_node(root: Path, number: int) -> None:
    """Add a processor's node to the topology."""
    folder = f"{_NODES}/{number}"
    properties = "cpu_cores_count 96\nsimd_count 0\nlocation_id 0\ndrm_render_minor 0\n"
    write_files(
        root, {f"{folder}/gpu_id": "0\n", f"{folder}/name": "\n", f"{folder}/properties": properties}
    )


def add_mi300x(root: Path, number: int, board: int, part: int = 0, parts: int = 1, **more: str) -> int:
    """Add an MI300X, or one of its partitions, to the topology; return its render minor.

    The files of the device belong to the first partition; the others have a bare render device.
    """
    minor = 128 + board * parts + part
    size = 192 * GIB // parts
    location = (0x0C + board << 8) | part << 28
    folder = f"{_NODES}/{number}"
    properties = {
        "cpu_cores_count": 0,
        "simd_count": 1216 // parts,
        "simd_per_cu": 4,
        "gfx_target_version": 90402,
        "vendor_id": 0x1002,
        "device_id": 0x74A1,
        "location_id": location,
        "domain": 0,
        "drm_render_minor": minor,
        "unique_id": 0xA0B0C0D0E0F00000 + board * 16 + part,
    }
    device = f"sys/class/drm/renderD{minor}/device"
    files = {
        f"{folder}/gpu_id": f"{5000 + number}\n",
        f"{folder}/name": "ip discovery\n",
        f"{folder}/properties": "".join(f"{name} {value}\n" for name, value in properties.items()),
        f"{folder}/mem_banks/0/properties": f"heap_type 1\nsize_in_bytes {size}\nflags 0\n",
    }
    mode, memory = ("CPX", "NPS4") if parts > 1 else ("SPX", "NPS1")
    facts = {
        "vendor": "0x1002",
        "product_name": "AMD Instinct MI300X OAM",
        "mem_info_vram_total": str(192 * GIB),
        "mem_info_vram_used": str(48 * GIB),
        "gpu_busy_percent": "93",
        "current_compute_partition": mode,
        "current_memory_partition": memory,
        "hwmon/hwmon3/temp2_input": "61000",
        "hwmon/hwmon3/temp3_input": "52000",
        "hwmon/hwmon3/power1_input": "550000000",
        **more,
    }
    if part == 0:
        for place in (device, f"sys/bus/pci/devices/0000:{0x0C + board:02x}:00.0"):
            files.update({f"{place}/{name}": f"{text}\n" for name, text in facts.items()})
    else:
        files[f"{device}/driver_override"] = "(null)\n"
    write_files(root, files)
    return minor


def deny(root: Path, number: int) -> None:
    """Make a node as unreadable as the kernel makes it where the device cgroup denies the GPU.

    (A folder refuses to be read as a file, to root too.)
    """
    for name in ("gpu_id", "name", "properties"):
        (root / _NODES / str(number) / name).unlink()
        (root / _NODES / str(number) / name).mkdir()


def open_devices(root: Path, *minors: int) -> None:
    """Give the process the compute driver's device and these render devices."""
    write_files(root, {"dev/kfd": "", **{f"dev/dri/renderD{minor}": "" for minor in minors}})


def add_amd_host(root: Path, boards: int = 8, parts: int = 1) -> list[int]:
    """Add two processors and boards of MI300X with driver and ROCm; return their render minors."""
    add_cpu_node(root, 0)
    add_cpu_node(root, 1)
    write_files(root, {"sys/module/amdgpu/version": "6.8.5\n", "opt/rocm/.info/version": "6.4.1-83\n"})
    places = [(board, part) for board in range(boards) for part in range(parts)]
    return [add_mi300x(root, 2 + at, board, part, parts) for at, (board, part) in enumerate(places)]


def add_nvidia_driver(root: Path, boards: int = 0, devices: int = 0) -> None:
    """Add NVIDIA's driver with boards in `/proc` and the device files of the first ones."""
    version = (
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
    )
    files = {"proc/driver/nvidia/version": version, "dev/null": ""}
    for at in range(boards):
        files[f"proc/driver/nvidia/gpus/0000:{0x1B + at:02x}:00.0/information"] = (
            f"Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t {80 + at}\n"
            f"GPU UUID: \t GPU-{at:08x}-aaaa\nBus Location: \t 0000:{0x1B + at:02x}:00.0\n"
            f"Device Minor: \t {at}\n"
        )
    files.update({f"dev/nvidia{at}": "" for at in range(devices)})
    write_files(root, files)
