"""How much memory this process may use."""

from __future__ import annotations

import re

from ..probe import Probe
from . import slurm
from .limits import read_memory_limit

_TOTAL = re.compile(r"^MemTotal:\s*([0-9]{1,15}) kB", re.MULTILINE)


def measure_memory(probe: Probe) -> int | None:
    """Return the bytes that the cgroups, else Slurm, else the machine gives; None if nothing says so.

    A limit above what the machine has is no limit.
    """
    total = _TOTAL.search(probe.read_text("/proc/meminfo") or "")
    machine = int(total[1]) * 1024 if total else None
    limits = (read_memory_limit(probe), slurm.measure_memory(probe.environ))
    return next((limit for limit in limits if limit and limit < (machine or limit + 1)), machine)
