"""Where a repository lies: found by walking up, as git does, without asking git."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from ..probe import Probe

_MAX_LEVELS = 40


class Repository(NamedTuple):
    """Absolute paths of a repository's parts.

    `folder` holds HEAD and the index, `common` the refs, objects and config: another folder only in a
    linked worktree. `work_tree` is empty where there is none (a bare repository).
    """

    folder: str
    common: str
    work_tree: str


def find_repository(probe: Probe) -> Repository | None:
    """Return the repository of the main script, else that of the current directory; None if in neither.

    `GIT_DIR` and `GIT_WORK_TREE` have the first word, as they have with git.
    """
    here = probe.working_folder()
    named = probe.environ.get("GIT_DIR")
    if named:
        work_tree = probe.environ.get("GIT_WORK_TREE") or here
        return _open_repository(probe, _absolute(here, named), _absolute(here, work_tree))
    script = probe.look_up("__main__", "__file__")
    starts = [os.path.dirname(_absolute(here, script))] if isinstance(script, str) and script else []
    for start in [*starts, here]:
        for folder in _walk_up(probe, start):
            found = _open_repository(probe, _follow_link(probe, folder), folder)
            if found is not None:
                return found
    return None


def _walk_up(probe: Probe, folder: str) -> Iterator[str]:
    """Yield the folder and those above it, on the same file system, as git does."""
    device = None
    for _ in range(_MAX_LEVELS):
        stat = probe.lstat(os.path.join(folder, "")) if folder else None  # the slash follows a link
        if stat is None or device not in (None, stat.st_dev):
            return
        device = stat.st_dev
        yield folder
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def _follow_link(probe: Probe, folder: str) -> str:
    """Return the git folder of a work tree: `.git`, or what a file of that name points to."""
    path = os.path.join(folder, ".git")
    text = probe.read_text(path, 4096) or ""
    return _absolute(folder, text[8:].rstrip("\r\n")) if text.startswith("gitdir: ") else path


def _open_repository(probe: Probe, folder: str, work_tree: str) -> Repository | None:
    if probe.lstat(os.path.join(folder, "HEAD")) is None:
        return None
    common = (probe.read_text(os.path.join(folder, "commondir"), 4096) or ".").rstrip("\r\n")
    return Repository(folder, _absolute(folder, common), work_tree)


def _absolute(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path)) if folder or os.path.isabs(path) else ""
