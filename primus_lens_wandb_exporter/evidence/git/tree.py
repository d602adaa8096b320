"""The tree that a commit of the index would have."""

from __future__ import annotations

import hashlib

from .index import Entry


class TreeBuilder:
    """Takes the entries of an index in their order, and hashes the tree of folders that they make.

    The order of an index is that of its trees: in both a folder's name counts with a slash at its end.
    """

    def __init__(self) -> None:
        self._open: list[tuple[bytes, bytearray]] = [(b"", bytearray())]  # path with slash, content

    def add(self, entry: Entry) -> None:
        """Add a file."""
        while not entry.path.startswith(self._open[-1][0]):
            self._close()
        while True:
            folder, content = self._open[-1]
            slash = entry.path.find(b"/", len(folder))
            if slash < 0:
                break
            self._open.append((entry.path[: slash + 1], bytearray()))
        content += b"%o %s\0%s" % (entry.mode, entry.path[len(folder) :], entry.object_id)

    def finish(self) -> bytes:
        """Return the id of the whole tree."""
        while len(self._open) > 1:
            self._close()
        return hash_object(b"tree", self._open[0][1])

    def _close(self) -> None:
        folder, content = self._open.pop()
        above, contents = self._open[-1]
        contents += b"40000 %s\0%s" % (folder[len(above) : -1], hash_object(b"tree", content))


def hash_object(kind: bytes, content: bytes | bytearray) -> bytes:
    """Return the id that git gives an object."""
    digest = hashlib.sha1(b"%s %d\0" % (kind, len(content)), usedforsecurity=False)
    digest.update(content)
    return digest.digest()
