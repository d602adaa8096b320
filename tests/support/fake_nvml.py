"""A `pynvml` without a driver: the real names and signatures, and the real library's strictness."""

from __future__ import annotations

from typing import Any, NamedTuple


class NVMLError(Exception):
    """As NVML's: the number of what went wrong."""


UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 1, 2, 3, 4, 6
LOST = 15
GIB = 1 << 30


class Memory(NamedTuple):
    """`c_nvmlMemory_t`, in bytes."""

    total: int
    free: int
    used: int


class Utilization(NamedTuple):
    """`c_nvmlUtilization_t`, in percent."""

    gpu: int
    memory: int


class Pci(NamedTuple):
    """What is read of `nvmlPciInfo_t`."""

    busId: bytes


class Attributes(NamedTuple):
    """What is read of `c_nvmlDeviceAttributes`."""

    multiprocessorCount: int
    memorySizeMB: int


class Handle:
    """A device, opaque to the caller."""

    def __init__(self, name: str, uuid: str, memory: Memory, **more: Any) -> None:
        self.name, self.uuid, self.memory = name, uuid, memory
        self.bus = more.get("bus", 0x1B)
        self.capability = more.get("capability", (9, 0))
        self.cores = more.get("cores", 16896)
        self.processors = more.get("processors", 0)
        self.is_instance = "processors" in more
        self.instances: dict[int, Handle] = more.get("instances", {})
        self.mig = more.get("mig", bool(self.instances))


class FakeNvml:
    """The module. `failing` names functions that raise; `as_bytes` answers as old releases do."""

    def __init__(self, *handles: Handle, failing: tuple[str, ...] = (), as_bytes: bool = False) -> None:
        self.handles = handles
        self.failing = failing
        self.as_bytes = as_bytes
        self.users = 0
        self.started = 0
        self.driver = True

    def _check(self, function: str, handle: Any = None, board: bool = False) -> None:
        if self.users == 0:
            raise NVMLError(UNINITIALIZED)
        if handle is not None and not isinstance(handle, Handle):
            raise NVMLError(INVALID_ARGUMENT)
        if board and handle.is_instance:
            raise NVMLError(NOT_SUPPORTED)
        if function in self.failing:
            raise NVMLError(LOST)

    def _text(self, text: str) -> Any:
        return text.encode() if self.as_bytes else text

    def nvmlInit(self) -> None:
        if not self.driver:
            raise NVMLError(9)
        self.users += 1
        self.started += 1

    def nvmlShutdown(self) -> None:
        self._check("nvmlShutdown")
        self.users -= 1

    def nvmlSystemGetDriverVersion(self) -> Any:
        self._check("nvmlSystemGetDriverVersion")
        return self._text("550.54.15")

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        self._check("nvmlSystemGetCudaDriverVersion_v2")
        return 12040

    def nvmlSystemGetCudaDriverVersion(self) -> int:
        self._check("nvmlSystemGetCudaDriverVersion")
        return 12040

    def nvmlDeviceGetCount(self) -> int:
        self._check("nvmlDeviceGetCount")
        return len(self.handles)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Handle:
        self._check("nvmlDeviceGetHandleByIndex")
        if not 0 <= index < len(self.handles):
            raise NVMLError(INVALID_ARGUMENT)
        return self.handles[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: Any) -> Handle:
        self._check("nvmlDeviceGetHandleByUUID")
        if self.as_bytes and not isinstance(uuid, bytes):
            raise TypeError("bytes or integer address expected instead of str instance")
        wanted = uuid.decode() if isinstance(uuid, bytes) else uuid
        everything = [*self.handles, *(i for h in self.handles for i in h.instances.values())]
        for handle in everything:
            if handle.uuid == wanted:
                return handle
        raise NVMLError(NOT_FOUND)

    def nvmlDeviceGetHandleByPciBusId(self, pciBusId: Any) -> Handle:
        self._check("nvmlDeviceGetHandleByPciBusId")
        for handle in self.handles:
            if f"0000:{handle.bus:02x}:00.0".encode() == pciBusId:
                return handle
        raise NVMLError(NOT_FOUND)

    def nvmlDeviceGetName(self, handle: Handle) -> Any:
        self._check("nvmlDeviceGetName", handle)
        return self._text(handle.name)

    def nvmlDeviceGetUUID(self, handle: Handle) -> Any:
        self._check("nvmlDeviceGetUUID", handle)
        return self._text(handle.uuid)

    def nvmlDeviceGetPciInfo(self, handle: Handle) -> Pci:
        self._check("nvmlDeviceGetPciInfo", handle)
        return Pci(f"00000000:{handle.bus:02X}:00.0".encode())

    def nvmlDeviceGetMemoryInfo(self, handle: Handle, version: Any = None) -> Memory:
        self._check("nvmlDeviceGetMemoryInfo", handle)
        return handle.memory

    def nvmlDeviceGetCudaComputeCapability(self, handle: Handle) -> tuple[int, int]:
        self._check("nvmlDeviceGetCudaComputeCapability", handle)
        capability: tuple[int, int] = handle.capability
        return capability

    def nvmlDeviceGetNumGpuCores(self, device: Handle) -> int:
        self._check("nvmlDeviceGetNumGpuCores", device, board=True)
        return int(device.cores)

    def nvmlDeviceGetMigMode(self, device: Handle) -> list[int]:
        self._check("nvmlDeviceGetMigMode", device, board=True)
        return [int(device.mig), int(device.mig)]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Handle) -> int:
        self._check("nvmlDeviceGetMaxMigDeviceCount", device, board=True)
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Handle, index: int) -> Handle:
        self._check("nvmlDeviceGetMigDeviceHandleByIndex", device, board=True)
        if index not in device.instances:
            raise NVMLError(NOT_FOUND)
        return device.instances[index]

    def nvmlDeviceGetAttributes(self, device: Handle) -> Attributes:
        self._check("nvmlDeviceGetAttributes", device)
        if not device.is_instance:
            raise NVMLError(NOT_SUPPORTED)
        return Attributes(device.processors, device.memory.total >> 20)

    def nvmlDeviceGetUtilizationRates(self, handle: Handle) -> Utilization:
        self._check("nvmlDeviceGetUtilizationRates", handle, board=True)
        return Utilization(97, 40)

    def nvmlDeviceGetTemperature(self, handle: Handle, sensor: int) -> int:
        self._check("nvmlDeviceGetTemperature", handle, board=True)
        if sensor != 0:
            raise NVMLError(INVALID_ARGUMENT)
        return 65

    def nvmlDeviceGetTemperatureV(self, handle: Handle, sensor: int, version: int = 0x100000C) -> int:
        self._check("nvmlDeviceGetTemperatureV", handle, board=True)
        return 66

    def nvmlDeviceGetPowerUsage(self, handle: Handle) -> int:
        self._check("nvmlDeviceGetPowerUsage", handle, board=True)
        return 612_500


def make_h100(at: int, **more: Any) -> Handle:
    """Return a whole H100 of 80 GiB, a quarter of it used."""
    memory = Memory(80 * GIB, 60 * GIB, 20 * GIB)
    return Handle("NVIDIA H100 80GB HBM3", f"GPU-{at:08x}-aaaa", memory, bus=0x1B + at, **more)


def make_instance(at: int, board: int = 0) -> Handle:
    """Return a MIG device of an H100."""
    memory = Memory(10 * GIB, 10 * GIB, 0)
    name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    return Handle(name, f"MIG-{board}{at:07x}-bbbb", memory, processors=16)
