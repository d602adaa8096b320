"""Whether something was changed since the commit: what `git describe --dirty` says, or nothing."""

from __future__ import annotations

import os
import stat
import struct
import time
import zlib

from ...delivery.courtesy import in_slices
from ..probe import Probe
from .config import Config
from .content import has_other_content
from .index import Entry, read_index
from .objects import read_tree_of
from .repository import Repository
from .tree import TreeBuilder
from .unknown import Unknown

MAX_ENTRIES = 20_000
MAX_CPU_SECONDS = 0.2
MAX_SECONDS = 0.4  # less than the collector waits for all of git
_MAX_INDEX = 16 << 20  # bytes


def is_dirty(probe: Probe, repository: Repository, config: Config, commit: str) -> bool | None:
    """Return whether tracked files differ from the commit, in the work tree or the index.

    None where that cannot be told: above `MAX_ENTRIES` files or the limits of time, for SHA-256, split
    and sparse indexes, for files that git converts, with submodules, or without the commit at hand. A
    difference that is certain counts, whatever else is unknown.
    """
    try:
        return _Comparison(probe, repository, config).is_dirty(commit)
    except (ValueError, IndexError, struct.error, zlib.error):  # a garbled index or object
        return None


class _Comparison:
    def __init__(self, probe: Probe, repository: Repository, config: Config) -> None:
        self._probe, self._repository = probe, repository
        if config.get("extensions", "", "objectformat") not in ("", "sha1"):
            raise Unknown
        self._tells_executables = config.is_on("core", "filemode", True)
        self._has_links = config.is_on("core", "symlinks", True)
        path = os.path.join(repository.folder, "index")
        status = probe.lstat(path)
        data = probe.read_bytes(path, _MAX_INDEX)
        if status is None or data is None or len(data) == _MAX_INDEX:
            raise Unknown
        self._index = read_index(data, MAX_ENTRIES)
        self._written = _seconds_and_nanoseconds(status)

    def is_dirty(self, commit: str) -> bool:
        """Look at the files first: most changes are there, and nothing else need be read."""
        ends, cpu_ends = time.monotonic() + MAX_SECONDS, time.thread_time() + MAX_CPU_SECONDS
        uncertain = False
        for entry in in_slices(self._index.entries):
            if entry.undecided:
                return True
            try:
                if not entry.ignored and self._differs(entry):
                    return True
            except Unknown:
                uncertain = True
            if time.monotonic() > ends or time.thread_time() > cpu_ends:
                raise Unknown
        committed = read_tree_of(self._probe, self._repository.common, bytes.fromhex(commit))
        if committed != (self._index.tree or self._build_tree()):
            return True
        if uncertain:
            raise Unknown
        return False

    def _build_tree(self) -> bytes:
        tree = TreeBuilder()
        for entry in in_slices(self._index.entries):
            tree.add(entry)
        return tree.finish()

    def _differs(self, entry: Entry) -> bool:
        if entry.submodule:  # what is checked out there is another repository's business
            raise Unknown
        path = os.path.join(self._repository.work_tree, os.fsdecode(entry.path))
        status = self._probe.lstat(path)
        if status is None or not self._is_of_kind(entry, status.st_mode):
            return True
        modified = _seconds_and_nanoseconds(status)
        if (
            status.st_size & 0xFFFFFFFF == entry.size
            and not _is_after(modified, entry.modified)
            and not _is_after(entry.modified, modified)
            and _is_after(self._written, entry.modified)  # else changed, perhaps, in the same instant
        ):
            return False
        return has_other_content(self._probe, self._repository, entry)

    def _is_of_kind(self, entry: Entry, mode: int) -> bool:
        if stat.S_ISLNK(mode) or not stat.S_ISREG(mode):
            return stat.S_ISLNK(mode) and stat.S_ISLNK(entry.mode)
        if stat.S_ISLNK(entry.mode):
            return not self._has_links
        return not self._tells_executables or bool(mode & 0o100) == bool(entry.mode & 0o100)


def _seconds_and_nanoseconds(status: os.stat_result) -> tuple[int, int]:
    seconds, nanoseconds = divmod(status.st_mtime_ns, 10**9)
    return seconds & 0xFFFFFFFF, nanoseconds


def _is_after(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Compare times to the second where one of them has lost the fraction, as in an archive."""
    return one > other if one[1] and other[1] else one[0] > other[0]
