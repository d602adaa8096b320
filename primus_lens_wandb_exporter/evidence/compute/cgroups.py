"""The control groups that this process is in, as folders: its own and every ancestor in sight.

Where a group lies below a mount follows from `/proc/self/cgroup` and `/proc/self/mountinfo`
(cgroups(7), cgroup_namespaces(7), proc_pid_mountinfo(5)).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..probe import Probe

_ESCAPED = re.compile(r"\\([0-7]{3})")
_DEEPEST = 64  # levels
_MOUNTS_TEXT = 1 << 18  # characters; a busy host lists thousands of mounts, cgroups among the first


class Folder(NamedTuple):
    """A group's folder, of which version of control groups, and whether nothing above it is in sight."""

    version: int
    path: str
    topmost: bool


def find_folders(probe: Probe, controller: str) -> Iterator[Folder]:
    """Yield the folders that may limit this process, its own before their ancestors.

    Version 1 of the controller and version 2 both, for a machine can have both (hybrid). A folder may
    be missing. Without a cgroup namespace a container sees the host's path, which does not exist below
    its mount, and a process can be outside the root of its namespace (`/../..`): then the mount's root
    is the nearest there is.
    """
    paths = _parse_own_paths(probe.read_text("/proc/self/cgroup") or "", controller)
    mounts = _parse_mounts(probe.read_text("/proc/self/mountinfo", _MOUNTS_TEXT) or "", controller)
    for version, path in paths.items():
        below = {
            mount.point: _parts_below(path, mount.root) for mount in mounts if mount.version == version
        }
        reached = {point: parts for point, parts in below.items() if parts is not None}
        for point, parts in (reached or dict.fromkeys(below, ())).items():
            for depth in range(len(parts), -1, -1):
                yield Folder(version, "/".join((point, *parts[:depth])), depth == 0)


class _Mount(NamedTuple):
    version: int
    root: str
    point: str


def _parse_own_paths(text: str, controller: str) -> dict[int, str]:
    paths: dict[int, str] = {}
    for line in text.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            paths[1] = path
        elif number == "0" and not controllers:
            paths[2] = path
    return paths


def _parse_mounts(text: str, controller: str) -> list[_Mount]:
    mounts: list[_Mount] = []
    for line in text.splitlines():
        place, _, system = line.partition(" - cgroup")
        fields, options = place.split(" "), system.split(" ")
        if len(fields) < 6 or len(options) < 3:
            continue
        root, point = _unescape(fields[3]), _unescape(fields[4])
        if options[0] == "2":
            mounts.append(_Mount(2, root, point))
        elif options[0] == "" and controller in options[2].split(","):
            mounts.append(_Mount(1, root, point))
    return mounts


def _unescape(path: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), path)


def _parts_below(path: str, root: str) -> tuple[str, ...] | None:
    parts, base = _split(path), _split(root)
    rest = parts[len(base) :]
    return rest[:_DEEPEST] if parts[: len(base)] == base and ".." not in rest else None


def _split(path: str) -> tuple[str, ...]:
    return tuple(part for part in path.split("/") if part)
