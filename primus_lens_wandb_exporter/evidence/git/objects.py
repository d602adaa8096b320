"""Commits from the object store: loose, packed, and packed as differences.

Source: the manual pages gitrepository-layout and gitformat-pack.
"""

from __future__ import annotations

import os
import struct
import zlib

from ..probe import Probe
from .index import read_offset
from .unknown import Unknown

_MAX_SIZE = 1 << 16  # bytes of a commit
_MAX_PACKS = 100
_MAX_BUCKET = 1 << 20  # bytes of the names in a pack that begin with the same byte
_MAX_DEPTH = 50  # of differences on differences, as git's own

_COMMIT, _OFFSET_DELTA, _REFERENCE_DELTA = 1, 6, 7


def read_tree_of(probe: Probe, common: str, commit: bytes) -> bytes:
    """Return the id of a commit's tree.

    Raises:
        Unknown: the commit is not there, too large, or in a pack of another format.
    """
    text = _read_commit(probe, _object_folders(probe, common), commit, _MAX_DEPTH)
    if not text.startswith(b"tree "):
        raise Unknown
    return bytes.fromhex(text[5:45].decode("ascii"))


def _object_folders(probe: Probe, common: str) -> list[str]:
    folder = os.path.join(common, "objects")
    alternates = probe.read_text(os.path.join(folder, "info", "alternates"), 4096) or ""
    others = [line for line in alternates.splitlines() if line and not line.startswith("#")]
    return [folder, *(os.path.normpath(os.path.join(folder, other)) for other in others)]


def _read_commit(probe: Probe, folders: list[str], commit: bytes, depth: int) -> bytes:
    name = commit.hex()
    for folder in folders:
        loose = probe.read_bytes(os.path.join(folder, name[:2], name[2:]), _MAX_SIZE)
        if loose is not None:
            kind, _, text = _inflate(loose).partition(b"\0")
            if not kind.startswith(b"commit "):
                raise Unknown
            return text
    for folder in folders:
        packs = [
            file for file in probe.list_folder(os.path.join(folder, "pack")) if file.endswith(".idx")
        ]
        for file in packs[:_MAX_PACKS]:
            path = os.path.join(folder, "pack", file)
            offset = _find_in_pack(probe, path, commit)
            if offset is not None:
                return _read_packed(probe, folders, path[:-3] + "pack", offset, depth)
    raise Unknown


def _find_in_pack(probe: Probe, path: str, commit: bytes) -> int | None:
    """Return where a commit begins in the pack of this index, in bytes; None if it is not in it."""
    header = probe.read_bytes(path, 8 + 1024) or b""
    if header[:8] != b"\xfftOc\0\0\0\2" or len(header) < 8 + 1024:
        return None
    fanout = (0, *struct.unpack_from(">256I", header, 8))
    first, last, total = fanout[commit[0]], fanout[commit[0] + 1], fanout[256]
    size = len(commit)
    names = (
        probe.read_bytes(path, min((last - first) * size, _MAX_BUCKET), 8 + 1024 + first * size) or b""
    )
    at = names.find(commit)
    while at % size and at >= 0:  # across the border of two names
        at = names.find(commit, at + 1)
    if at < 0:
        return None
    offsets = 8 + 1024 + total * (size + 4)
    offset = _read_number(probe, path, offsets + (first + at // size) * 4, 4)
    if offset & 0x80000000:
        return _read_number(probe, path, offsets + total * 4 + (offset & 0x7FFFFFFF) * 8, 8)
    return offset


def _read_number(probe: Probe, path: str, at: int, size: int) -> int:
    data = probe.read_bytes(path, size, at) or b""
    if len(data) < size:
        raise Unknown
    return int.from_bytes(data, "big")


def _read_packed(probe: Probe, folders: list[str], path: str, offset: int, depth: int) -> bytes:
    data = probe.read_bytes(path, _MAX_SIZE, offset)
    if not data or depth == 0:
        raise Unknown
    at, kind = 1, data[0] >> 4 & 7
    while data[at - 1] & 0x80:
        at += 1
    if kind == _COMMIT:
        return _inflate(data[at:])
    if kind == _OFFSET_DELTA:
        distance, at = read_offset(data, at)
        base = _read_packed(probe, folders, path, offset - distance, depth - 1)
    elif kind == _REFERENCE_DELTA:
        base = _read_commit(probe, folders, data[at : at + 20], depth - 1)
        at += 20
    else:
        raise Unknown
    return _apply(_inflate(data[at:]), base)


def _inflate(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MAX_SIZE)


def _apply(delta: bytes, base: bytes) -> bytes:
    """Return what a difference makes of its base: pieces copied from it, and pieces of its own."""
    at = 0
    for _ in range(2):  # the sizes of base and result
        while delta[at] & 0x80:
            at += 1
        at += 1
    made = bytearray()
    while at < len(delta) and len(made) < _MAX_SIZE:
        operation = delta[at]
        at += 1
        if operation & 0x80:
            numbers = bytearray(8)
            for bit in range(7):
                if operation >> bit & 1:
                    numbers[bit] = delta[at]
                    at += 1
            offset, size = struct.unpack("<II", bytes(numbers))
            size = size or 0x10000
            made += base[offset : offset + size]
        elif operation:
            made += delta[at : at + operation]
            at += operation
        else:
            raise Unknown
    return bytes(made)
