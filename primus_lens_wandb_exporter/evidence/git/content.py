"""Whether a file holds what the index says it holds."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from ...delivery.courtesy import in_slices
from ..probe import Probe
from .attributes import may_be_converted
from .index import Entry
from .repository import Repository
from .tree import hash_object
from .unknown import Unknown

MAX_SIZE = 4 << 20  # bytes
_SLICE = 1 << 16  # bytes


def has_other_content(probe: Probe, repository: Repository, entry: Entry) -> bool:
    """Return whether the content differs from the entry's object.

    Raises:
        Unknown: the file is too large, or git may convert it between work tree and object.
    """
    path = os.path.join(repository.work_tree, os.fsdecode(entry.path))
    status = probe.lstat(path)
    if status is None:
        return True
    if stat.S_ISLNK(status.st_mode):
        return hash_object(b"blob", os.fsencode(probe.read_link(path))) != entry.object_id
    data = probe.read_bytes(path, MAX_SIZE + 1) if status.st_size <= MAX_SIZE else None
    if data is None or len(data) > MAX_SIZE:
        raise Unknown
    if _hash(len(data), _slices(data)) == entry.object_id:
        return False
    # A carriage return that ends in the next slice counts in the one it begins in.
    endings = sum(data.count(b"\r\n", at, at + _SLICE + 1) for at in in_slices(_starts(data)))
    if endings and _hash(len(data) - endings, _slices_with_plain_endings(data)) == entry.object_id:
        raise Unknown
    if may_be_converted(probe, repository, os.fsdecode(entry.path)):
        raise Unknown
    return True


def _starts(data: bytes) -> range:
    return range(0, len(data), _SLICE)


def _slices(data: bytes) -> Iterator[bytes]:
    return (data[at : at + _SLICE] for at in _starts(data))


def _slices_with_plain_endings(data: bytes) -> Iterator[bytes]:
    """Yield the content with the line endings that git stores where it normalises them."""
    for at in _starts(data):
        piece = data[at : at + _SLICE + 1]
        plain = piece.replace(b"\r\n", b"\n")
        yield plain[:-1] if len(piece) > _SLICE else plain  # the last byte was there to be seen only


def _hash(size: int, slices: Iterator[bytes]) -> bytes:
    """Return the id of a blob of `size` bytes."""
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    for piece in in_slices(slices):
        digest.update(piece)
    return digest.digest()
