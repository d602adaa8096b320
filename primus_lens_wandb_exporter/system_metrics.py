"""CPU and memory use of this process and its machine, by `psutil` where it is installed."""

from __future__ import annotations

from time import monotonic
from typing import Any

_MIB = 1024 * 1024


class Sampler:
    """Measures at most once an interval (seconds), from the second sample on."""

    def __init__(self, psutil: Any, interval: float) -> None:
        self._psutil = psutil
        self._interval = interval
        self._process: Any = None
        self._sampled_at = 0.0

    def sample(self) -> dict[str, float]:
        """Return measurements by name, or nothing if it is too early."""
        now = monotonic()
        if self._process is not None and now - self._sampled_at < self._interval:
            return {}
        self._sampled_at = now
        first = self._process is None
        if first:
            self._process = self._psutil.Process()
        sample = {
            "primus_lens.system.cpu_percent": float(self._psutil.cpu_percent()),
            "primus_lens.system.memory_percent": float(self._psutil.virtual_memory().percent),
            "primus_lens.process.cpu_percent": float(self._process.cpu_percent()),
            "primus_lens.process.rss_mib": self._process.memory_info().rss / _MIB,
        }
        return {} if first else sample  # a rate needs a reading to compare with


def make_sampler(interval: float) -> Sampler | None:
    """Return a sampler, or None where `psutil` is missing."""
    try:
        import psutil
    except ImportError:
        return None
    return Sampler(psutil, interval)
