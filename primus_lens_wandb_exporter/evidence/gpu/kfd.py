"""AMD's compute driver: the nodes of its topology, and the files of the device behind a node.

Source: Linux, `drivers/gpu/drm/amd/amdkfd/kfd_topology.c`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..probe import Probe

_NODES = "/sys/class/kfd/kfd/topology/nodes"
_PROPERTY = re.compile(r"^(\w+) (\d{1,20})$", re.ASCII | re.MULTILINE)
_VIDEO_MEMORY = (1, 2)  # heap types: visible to the processor, and not


class Node(NamedTuple):
    """A GPU, or a partition of one, in the topology."""

    number: int
    properties: dict[str, int]

    @property
    def address(self) -> str:
        """PCI address of the board.

        With several nodes on a board the kernel adds the node's number to `location_id`: in the bits of
        the function at first, in the four highest later. A board's function is 0.
        """
        location = self.properties.get("location_id", 0)
        domain = self.properties.get("domain", 0)
        return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.0"


def list_nodes(probe: Probe) -> tuple[list[Node], int]:
    """Return the nodes of GPUs that may be read, and how many there are that may not.

    The kernel refuses to read a GPU that the container's device cgroup denies.
    """
    nodes: list[Node] = []
    hidden = 0
    names = [name for name in probe.list_folder(_NODES) if name.isascii() and name.isdecimal()]
    for name in sorted(names, key=int):
        gpu_id = probe.read_text(f"{_NODES}/{name}/gpu_id", 64)
        text = None if gpu_id is None else probe.read_text(f"{_NODES}/{name}/properties")
        if text is None:
            hidden += "gpu_id" in probe.list_folder(f"{_NODES}/{name}")
            continue
        properties = read_properties(text)
        if properties.get("simd_count", 0) > 0 and (gpu_id or "").strip() != "0":
            nodes.append(Node(int(name), properties))
    return nodes, hidden


def read_properties(text: str) -> dict[str, int]:
    """Return the `name value` lines of a properties file; others are passed over."""
    return {name: int(value) for name, value in _PROPERTY.findall(text)}


def read_memory(probe: Probe, node: Node) -> int:
    """Return the bytes of a node's own video memory, 0 where the topology does not tell."""
    folder = f"{_NODES}/{node.number}/mem_banks"
    total = 0
    for bank in probe.list_folder(folder):
        properties = read_properties(probe.read_text(f"{folder}/{bank}/properties", 4096) or "")
        if properties.get("heap_type") in _VIDEO_MEMORY:
            total += properties.get("size_in_bytes", 0)
    return total


def name_arch(version: int) -> str:
    """Return the name of a `gfx_target_version`: 90402 is gfx942, 90010 is gfx90a."""
    major, minor, stepping = split_version(version)
    return f"gfx{major}{minor:x}{stepping:x}" if version > 0 else ""


def split_version(version: int) -> tuple[int, int, int]:
    """Return major, minor and stepping of a `gfx_target_version`."""
    return version // 10000, version // 100 % 100, version % 100
