"""What the control groups of this process allow: the smallest limit of a group and its ancestors.

Names and forms of the files: the kernel's `admin-guide/cgroup-v2.rst` and `cgroup-v1/memory.rst`,
`scheduler/sched-bwc.rst`.
"""

from __future__ import annotations

import re

from ..probe import Probe
from .cgroups import Folder, find_folders

_NUMBER = re.compile(r"[0-9]{1,19}")
_HIERARCHICAL = re.compile(r"^hierarchical_memory_limit ([0-9]{1,20})$", re.MULTILINE)
# Version 1 writes "no limit" as the largest number of whole pages, whatever the size of a page.
_UNLIMITED = 1 << 62


def read_memory_limit(probe: Probe) -> int | None:
    """Return the limit in bytes, or None if there is none."""
    limits: list[int | None] = []
    for folder in find_folders(probe, "memory"):
        if folder.version == 2:
            limits.append(_read_number(probe, f"{folder.path}/memory.max"))
            continue
        limits.append(_read_number(probe, f"{folder.path}/memory.limit_in_bytes"))
        if folder.topmost:  # speaks for the ancestors that a container cannot see
            stat = _HIERARCHICAL.search(probe.read_text(f"{folder.path}/memory.stat") or "")
            limits.append(int(stat[1]) if stat else None)
    return min((limit for limit in limits if limit and limit < _UNLIMITED), default=None)


def read_cpu_quota(probe: Probe) -> int | None:
    """Return how many CPUs the quota amounts to, rounded up, or None if there is none."""
    quotas = (_read_quota(probe, folder) for folder in find_folders(probe, "cpu"))
    return min((quota for quota in quotas if quota), default=None)


def _read_quota(probe: Probe, folder: Folder) -> int | None:
    if folder.version == 2:
        text = probe.read_text(f"{folder.path}/cpu.max") or ""
        quota, _, period = text.strip().partition(" ")
    else:
        quota = (probe.read_text(f"{folder.path}/cpu.cfs_quota_us") or "").strip()
        period = (probe.read_text(f"{folder.path}/cpu.cfs_period_us") or "").strip()
    microseconds = _parse_number(period)
    used = _parse_number(quota)  # not `max`, not -1
    return -(-used // microseconds) if used and microseconds else None


def _read_number(probe: Probe, path: str) -> int | None:
    return _parse_number((probe.read_text(path) or "").strip())


def _parse_number(text: str) -> int | None:
    return int(text) if _NUMBER.fullmatch(text) else None
