"""Statistics that can be read from outside: one small file a process in a private folder.

A folder of the user's own, mode 0700, below the temporary folder; a process that cannot have one
does without. A file is replaced in one step, and removed at a normal exit; `read_all` removes what
processes that are gone have left.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from typing import Any

_FOLDER = "primus-lens-wandb-{uid}"
_SUFFIX = ".json"


def candidate_folders() -> list[str]:
    """Return the folders statistics may be in, most preferred first."""
    roots = [os.environ.get("TMPDIR") or "/tmp", "/tmp", "/dev/shm"]
    name = _FOLDER.format(uid=os.getuid() if hasattr(os, "getuid") else "user")
    return list(dict.fromkeys(os.path.join(root, name) for root in roots))


def is_private(folder: str) -> bool:
    """Return whether a folder is a real one that belongs to this user alone."""
    try:
        state = os.lstat(folder)
    except OSError:
        return False
    ours = not hasattr(os, "getuid") or state.st_uid == os.getuid()
    return stat.S_ISDIR(state.st_mode) and ours and not state.st_mode & 0o077


class StatsFile:
    """The file of this process; written by the worker thread."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._started = ""

    def write(self, stats: Mapping[str, Any]) -> None:
        """Replace the file's contents.

        Raises:
            OSError: no folder can be written.
        """
        if self._path is None:
            self._path = os.path.join(_make_folder(), f"{os.getpid()}{_SUFFIX}")
            self._started = process_start(os.getpid())
        body = {**stats, "started": self._started}
        scratch = f"{self._path}.new"
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, json.dumps(body).encode())
        finally:
            os.close(descriptor)
        os.replace(scratch, self._path)

    def remove(self) -> None:
        """Remove the file, if there is one."""
        if self._path is not None:
            path, self._path = self._path, None
            try:
                os.unlink(path)
            except FileNotFoundError:  # a cleaner of temporary folders was faster
                pass


def _make_folder() -> str:
    last: OSError | None = None
    for folder in candidate_folders():
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            last = error
            continue
        if is_private(folder) and os.access(folder, os.W_OK):
            return folder
        last = PermissionError(13, "not a private folder of this user", folder)
    assert last is not None
    raise last


def process_start(pid: int) -> str:
    """Return the kernel's start time of a process (clock ticks since boot), empty if it is gone.

    A pid alone can come back as another process: proc(5), field 22.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def read_all() -> list[dict[str, Any]]:
    """Return the statistics of every live process of this user, by pid; files of dead ones go."""
    found: dict[int, dict[str, Any]] = {}
    for folder in candidate_folders():
        if not is_private(folder):
            continue
        for name in sorted(os.listdir(folder)):
            stats = _read(os.path.join(folder, name)) if name.endswith(_SUFFIX) else None
            if stats is not None:
                found[stats["pid"]] = stats
    return [found[pid] for pid in sorted(found)]


def _read(path: str) -> dict[str, Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            stats = json.load(file)
        if stats["started"] == process_start(int(stats["pid"])):
            return dict(stats)
        os.unlink(path)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None
