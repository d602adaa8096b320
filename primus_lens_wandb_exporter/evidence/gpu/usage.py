"""How busy the visible GPUs are, how full, how hot: what a sampler reads again and again."""

from __future__ import annotations

from typing import Any, Callable

from ..probe import Probe
from .inventory import Gpu, Inventory
from .nvml import Nvml, open_nvml, whole

_MIB = 1024 * 1024
_CORE = 0  # NVML_TEMPERATURE_GPU
_Reading = dict[str, float]


class UsageReader:
    """Reads the usage of an inventory's GPUs; with one of NVIDIA's, keeps NVML until `close`.

    For one thread, and not for a child after a fork.
    """

    def __init__(self, probe: Probe, inventory: Inventory) -> None:
        needs_nvml = any(gpu.vendor == "nvidia" for gpu in inventory.gpus)
        self._nvml = open_nvml(probe) if needs_nvml else None
        self._readers = [self._make_reader(probe, gpu) for gpu in inventory.gpus]

    def read(self) -> list[_Reading]:
        """Return for each GPU, in order, what can be read of it.

        `utilization_percent`, `memory_used_mib`, `memory_percent`, `temperature_celsius`, `power_watts`.
        Of a partition the first, and the last two, are those of the whole board or missing.
        """
        return [read() for read in self._readers]

    def close(self) -> None:
        """Let go of NVML; the NVIDIA GPUs then have no readings."""
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            nvml.close()

    def _make_reader(self, probe: Probe, gpu: Gpu) -> Callable[[], _Reading]:
        if gpu.vendor == "nvidia" and self._nvml is not None:
            handle = _find_handle(self._nvml, gpu)
            return lambda: _read_nvml(self._nvml, handle)
        if gpu.vendor == "amd":
            return _AmdFiles(probe, gpu).read
        return dict


def _find_handle(nvml: Nvml, gpu: Gpu) -> Any:
    """Return NVML's handle. Bytes are taken by every release of pynvml, text by the newer ones only."""
    if gpu.uuid:
        return nvml.ask("nvmlDeviceGetHandleByUUID", gpu.uuid.encode())
    return nvml.ask("nvmlDeviceGetHandleByPciBusId", gpu.pci.encode())


def _read_nvml(nvml: Nvml | None, handle: Any) -> _Reading:
    if nvml is None or handle is None:
        return {}
    memory = nvml.ask("nvmlDeviceGetMemoryInfo", handle)
    temperature = nvml.ask("nvmlDeviceGetTemperature", handle, _CORE)
    if temperature is None:  # the older call goes with CUDA 14
        temperature = nvml.ask("nvmlDeviceGetTemperatureV", handle, _CORE)
    power = nvml.ask("nvmlDeviceGetPowerUsage", handle)  # in mW
    busy = getattr(nvml.ask("nvmlDeviceGetUtilizationRates", handle), "gpu", None)
    used, total = getattr(memory, "used", None), whole(getattr(memory, "total", 0))
    return _compose(busy, used, total, temperature, power, 1000)


class _AmdFiles:
    """The files of one amdgpu device. Its memory is told for the whole board, so not for a partition."""

    def __init__(self, probe: Probe, gpu: Gpu) -> None:
        self._probe = probe
        self._folder = gpu.folder
        self._whole = not gpu.partition
        self._temperature = self._power = ""
        for monitor in probe.list_folder(f"{gpu.folder}/hwmon"):
            names = probe.list_folder(f"{gpu.folder}/hwmon/{monitor}")
            heat = [name for name in names if name.startswith("temp") and name.endswith("_input")]
            power = [name for name in names if name in ("power1_average", "power1_input")]
            self._temperature = f"hwmon/{monitor}/{heat[0]}" if heat else self._temperature
            self._power = f"hwmon/{monitor}/{power[0]}" if power else self._power

    def read(self) -> _Reading:
        degrees = self._read_number(self._temperature)  # in thousandths
        return _compose(
            self._read_number("gpu_busy_percent"),
            self._read_number("mem_info_vram_used") if self._whole else None,
            self._read_number("mem_info_vram_total") or 0,
            None if degrees is None else degrees / 1000,
            self._read_number(self._power),  # in µW
            1_000_000,
        )

    def _read_number(self, path: str) -> int | None:
        text = (self._probe.read_text(f"{self._folder}/{path}", 32) or "").strip()
        return int(text) if text.isascii() and text.isdecimal() else None


def _compose(
    busy: Any, used: Any, total: int, temperature: Any, power: Any, power_unit: int
) -> _Reading:
    reading = {
        "utilization_percent": busy,
        "memory_used_mib": used / _MIB if _is_number(used) else None,
        "memory_percent": 100 * used / total if _is_number(used) and total > 0 else None,
        "temperature_celsius": temperature,
        "power_watts": power / power_unit if _is_number(power) else None,
    }
    return {name: float(value) for name, value in reading.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0
