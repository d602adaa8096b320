"""What HEAD stands on, read from loose and packed refs.

Source: the manual pages gitrepository-layout and git-pack-refs.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from ...delivery.courtesy import in_slices
from ..probe import Probe
from .repository import Repository

_OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_REF = re.compile(r"refs/[^\s\x00-\x1f\x7f~^:?*\[\\]+")
_MAX_SYMBOLIC = 5  # as git
_MAX_PACKED = 16 << 20  # bytes
_CHUNK = 1 << 16  # bytes


class Head(NamedTuple):
    """The commit, in hex, and the branch; either is empty where it is unknown or there is none."""

    commit: str
    branch: str


def read_head(probe: Probe, repository: Repository) -> Head:
    """Return what is checked out."""
    text = (probe.read_text(os.path.join(repository.folder, "HEAD"), 4096) or "").strip()
    branch = text[5:].strip() if text.startswith("ref: ") else ""
    if branch == "refs/heads/.invalid":  # how a reftable repository keeps those out that cannot read it
        return Head("", "")
    commit = _resolve(probe, repository, text)
    return Head(commit, branch[11:] if branch.startswith("refs/heads/") else "")


def _resolve(probe: Probe, repository: Repository, text: str) -> str:
    for _ in range(_MAX_SYMBOLIC):
        if _OBJECT_ID.fullmatch(text):
            return text
        name = text[5:].strip()
        if not text.startswith("ref: ") or ".." in name or not _REF.fullmatch(name):
            return ""
        loose = probe.read_text(os.path.join(repository.common, name), 4096)
        text = _find_packed(probe, repository, name) if loose is None else loose.strip()
    return ""


def _find_packed(probe: Probe, repository: Repository, name: str) -> str:
    """Return the object of a packed ref, else an empty string; the file may be large, so by chunks."""
    path = os.path.join(repository.common, "packed-refs")
    wanted = b" " + os.fsencode(name) + b"\n"
    before = b""
    for offset in in_slices(range(0, _MAX_PACKED, _CHUNK)):
        chunk = probe.read_bytes(path, _CHUNK, offset)
        if not chunk:
            break
        text = before + chunk
        at = text.find(wanted)
        if at >= 0:
            return text[text.rfind(b"\n", 0, at) + 1 : at].decode("ascii", "replace")
        before = text[text.rfind(b"\n") + 1 :]
    return ""
