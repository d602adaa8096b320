"""CPU and memory use of this process and its machine, with `psutil` where it is installed."""

from __future__ import annotations

from time import monotonic
from typing import Any

_MIB = 1024 * 1024


class Sampler:
    """Measures at most once an interval (seconds); on the worker thread."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._sampled_at = monotonic() - interval
        try:
            import psutil
        except ImportError:
            self._psutil: Any = None
            return
        self._psutil = psutil
        self._process = psutil.Process()
        # The first reading of a rate has nothing to compare with and returns 0.
        psutil.cpu_percent()
        self._process.cpu_percent()

    def sample(self) -> dict[str, float]:
        """Return measurements by name, or nothing if it is too early or `psutil` is missing."""
        now = monotonic()
        if self._psutil is None or now - self._sampled_at < self._interval:
            return {}
        self._sampled_at = now
        memory = self._psutil.virtual_memory()
        return {
            "primus_lens.system.cpu_percent": float(self._psutil.cpu_percent()),
            "primus_lens.system.memory_percent": float(memory.percent),
            "primus_lens.process.cpu_percent": float(self._process.cpu_percent()),
            "primus_lens.process.rss_mib": self._process.memory_info().rss / _MIB,
        }
