"""NVIDIA's management library, by `pynvml`: asked only where a driver is, every answer optional.

NVML creates no CUDA context and survives a fork (PyTorch counts devices by it for that reason), and
initialising it attaches no GPU (NVML API reference, `nvmlInit_v2`). It counts its users, so our end
takes it from nobody else in the process.
"""

from __future__ import annotations

from typing import Any

from ..probe import Probe

_WSL_LIBRARIES = "/usr/lib/wsl/lib"


def has_driver(probe: Probe) -> bool:
    """Return whether an NVIDIA driver is present.

    Under WSL `/dev/dxg` stands for a GPU of any vendor; NVIDIA's is told by its library beside it.
    """
    if probe.read_text("/proc/driver/nvidia/version", 1) is not None:
        return True
    devices = probe.list_folder("/dev")
    if "nvidiactl" in devices:
        return True
    return "dxg" in devices and "libnvidia-ml.so.1" in probe.list_folder(_WSL_LIBRARIES)


class Nvml:
    """NVML while it is initialised. `close` once, when done."""

    def __init__(self, library: Any) -> None:
        self._library = library

    def ask(self, function: str, *arguments: Any) -> Any:
        """Return a function's answer, text for bytes; None for whatever it cannot say or lacks."""
        try:
            answer = getattr(self._library, function)(*arguments)
            return answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        except Exception:  # not supported, no permission, a lost GPU, a function of a newer release
            return None

    def number(self, function: str, *arguments: Any) -> int:
        """Return a function's answer if it is a number, else 0."""
        return whole(self.ask(function, *arguments))

    def text(self, function: str, *arguments: Any) -> str:
        """Return a function's answer if it is text, else nothing."""
        answer = self.ask(function, *arguments)
        return answer if isinstance(answer, str) else ""

    def close(self) -> None:
        """Take back the initialisation."""
        self.ask("nvmlShutdown")


def open_nvml(probe: Probe) -> Nvml | None:
    """Return NVML, initialised; None without driver, library or `pynvml`."""
    if not has_driver(probe):
        return None
    try:
        library = probe.import_apart("pynvml")
        if library is None:
            return None
        library.nvmlInit()
    except Exception:
        return None
    return Nvml(library)


def whole(value: Any) -> int:
    """Return a number that is an exact, finite `int`, else 0."""
    return value if type(value) is int else 0
