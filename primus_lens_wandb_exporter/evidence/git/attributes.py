"""Whether git may keep a file otherwise than it stands in the work tree: by a filter, or expanded.

Source: the manual page gitattributes. Line endings are not looked up here: `content` tries both.
"""

from __future__ import annotations

import os
import re
from fnmatch import translate

from ..probe import Probe
from .repository import Repository

_CONVERTING = frozenset(("filter", "ident", "working-tree-encoding"))
_MAX_SIZE = 1 << 16  # characters


def may_be_converted(probe: Probe, repository: Repository, path: str) -> bool:
    """Return whether a `.gitattributes` file asks for a conversion of a path, or could.

    Patterns are compared by their last part alone, so the answer may be yes too often, never no.
    """
    folder, name = os.path.split(path)
    files = [os.path.join(repository.common, "info", "attributes")]
    while True:
        files.append(os.path.join(repository.work_tree, folder, ".gitattributes"))
        if not folder:
            break
        folder = os.path.dirname(folder)
    texts = (probe.read_text(file, _MAX_SIZE) or "" for file in files)
    return any(_converts(line, name) for text in texts for line in text.splitlines())


def _converts(line: str, name: str) -> bool:
    pattern, *attributes = line.split() or [""]
    if pattern.startswith("#") or not _CONVERTING & {text.partition("=")[0] for text in attributes}:
        return False
    if pattern.startswith(('"', "[attr]")) or pattern.endswith("**"):
        return True
    return re.match(translate(pattern.rpartition("/")[2]), name) is not None
