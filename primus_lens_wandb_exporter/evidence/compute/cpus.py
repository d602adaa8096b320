"""How many CPUs this process may use."""

from __future__ import annotations

import os
import re

from ..probe import Probe
from . import slurm
from .limits import read_cpu_quota
from .ranges import parse_ranges

_ALLOWED = re.compile(r"^Cpus_allowed_list:\s*(\S+)$", re.MULTILINE)


def count_cpus(probe: Probe) -> int:
    """Return the number that Slurm, else the cgroup quota, else the affinity, else the machine gives.

    A quota above what the affinity leaves is no limit.
    """
    allotted = slurm.count_cpus(probe.environ)
    if allotted:
        return allotted
    quota, present = read_cpu_quota(probe), _count_present(probe)
    if quota and present:
        return min(quota, present)
    return quota or present or os.cpu_count() or 1


def _count_present(probe: Probe) -> int:
    # The main thread's affinity, not that of the thread that asks. It may name CPUs that are offline.
    status = _ALLOWED.search(probe.read_text("/proc/self/status") or "")
    allowed = parse_ranges(status[1]) if status else frozenset()
    online = parse_ranges(probe.read_text("/sys/devices/system/cpu/online") or "")
    return len(allowed & online) or len(allowed or online)
