"""CPU and memory use of this process and its machine, by `psutil` where it is installed."""

from __future__ import annotations

from time import monotonic
from typing import Any

from . import guard

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
        sample: dict[str, float] = {}
        with guard.boundary:  # where `/proc` is hidden or there is no descriptor left, for instance
            sample = self._measure()
        return {} if first else sample  # a rate needs a reading to compare with

    def _measure(self) -> dict[str, float]:
        if self._process is None:
            self._process = self._psutil.Process()
        return {
            "primus_lens.system.cpu_percent": float(self._psutil.cpu_percent()),
            "primus_lens.system.memory_percent": float(self._psutil.virtual_memory().percent),
            "primus_lens.process.cpu_percent": float(self._process.cpu_percent()),
            "primus_lens.process.rss_mib": self._process.memory_info().rss / _MIB,
        }


def make_sampler(interval: float) -> Sampler | None:
    """Return a sampler, or None where `psutil` is missing or broken."""
    try:
        import psutil
    except Exception:  # it loads a compiled part, which may not fit this machine
        return None
    return Sampler(psutil, interval)
