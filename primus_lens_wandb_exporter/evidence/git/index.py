"""The index: what git last knew of each file of the work tree, read from its file.

Source: the manual page gitformat-index, versions 2 to 4.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ...delivery.courtesy import in_slices
from .unknown import Unknown

_ID = 20  # bytes of a SHA-1
_HEADER = struct.Struct(">4sII")
_STAT = struct.Struct(f">2I2I3I2I1I{_ID}sH")  # ctime, mtime, dev, ino, mode, uid, gid, size, id, flags
_EXTENSION = struct.Struct(">4sI")

_SUBMODULE = 0o160000
_ASSUMED_UNCHANGED = 0x8000
_EXTENDED = 0x4000
_STAGE = 0x3000
_SKIPPED = 0x4000  # of the extended flags: outside a sparse checkout
_INTENDED = 0x2000  # of the extended flags: `git add --intent-to-add`


class Entry(NamedTuple):
    """A file as the index knows it: modified in (seconds, nanoseconds), size in bytes mod 2³²."""

    path: bytes
    mode: int
    object_id: bytes
    modified: tuple[int, int]
    size: int
    ignored: bool  # git is told not to look at it
    submodule: bool
    undecided: bool  # of a merge with conflicts, or promised and not added yet


class Index(NamedTuple):
    """The entries in their order, and the tree that they make if it is noted (SHA-1)."""

    entries: list[Entry]
    tree: bytes | None


def read_index(data: bytes, max_entries: int) -> Index:
    """Return what an index file says.

    Raises:
        Unknown: it is of a kind that is not understood, or has too many entries.
        ValueError, IndexError, struct.error: it is garbled.
    """
    magic, version, count = _HEADER.unpack_from(data)
    if magic != b"DIRC" or not 2 <= version <= 4 or count > max_entries:
        raise Unknown
    entries: list[Entry] = []
    at, path = _HEADER.size, b""
    for _ in in_slices(range(count)):
        entry, at = _read_entry(data, at, version, path)
        path = entry.path
        entries.append(entry)
    return Index(entries, _read_extensions(data, at))


def _read_entry(data: bytes, begins: int, version: int, before: bytes) -> tuple[Entry, int]:
    """Return an entry and where the next one begins; in version 4 the path builds on `before`."""
    _, _, seconds, nanoseconds, _, _, mode, _, _, size, object_id, flags = _STAT.unpack_from(
        data, begins
    )
    at = begins + _STAT.size
    extended = 0
    if flags & _EXTENDED:
        extended = int.from_bytes(data[at : at + 2], "big")
        at += 2
    kept = b""
    if version == 4:
        dropped, at = read_offset(data, at)
        if dropped > len(before):
            raise Unknown
        kept = before[: len(before) - dropped]
    ends = data.index(b"\0", at)
    entry = Entry(
        path=kept + data[at:ends],
        mode=mode,
        object_id=object_id,
        modified=(seconds, nanoseconds),
        size=size,
        ignored=bool(flags & _ASSUMED_UNCHANGED or extended & _SKIPPED),
        submodule=mode == _SUBMODULE,
        undecided=bool(flags & _STAGE or extended & _INTENDED),
    )
    return entry, ends + 1 if version == 4 else begins + (ends - begins + 8) // 8 * 8


def _read_extensions(data: bytes, at: int) -> bytes | None:
    """Return the tree of the whole index, if an extension notes it."""
    tree = None
    while at + _EXTENSION.size <= len(data) - _ID:
        name, size = _EXTENSION.unpack_from(data, at)
        at += _EXTENSION.size
        if not name[:1].isupper():  # must be understood: `link` (split index), `sdir` (sparse index)
            raise Unknown
        if name == b"TREE":
            tree = _read_root(data[at : at + min(size, 64)])
        at += size
    return tree


def _read_root(data: bytes) -> bytes | None:
    """Return the tree of the whole index from its cache of trees; None if that is out of date."""
    name, _, rest = data.partition(b"\0")
    counts, _, rest = rest.partition(b"\n")
    valid = not name and not counts.startswith(b"-") and len(rest) >= _ID
    return rest[:_ID] if valid else None


def read_offset(data: bytes, at: int) -> tuple[int, int]:
    """Return a number in the encoding of the offsets in packs, and where it ends."""
    byte = data[at]
    value = byte & 0x7F
    while byte & 0x80:
        at += 1
        byte = data[at]
        value = (value + 1) << 7 | byte & 0x7F
    return value, at + 1
