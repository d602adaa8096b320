"""The commit that runs: read from the files of a repository, without asking git.

Nothing is started or written; hooks, filters and included configuration are not followed.
"""

from __future__ import annotations

import os
from typing import Any

from ..probe import Probe
from ..redaction import hide_credentials
from .changes import is_dirty
from .config import Config
from .refs import read_head
from .remote import find_remote
from .repository import find_repository

_MAX_CONFIG = 1 << 18  # characters


def collect(probe: Probe) -> dict[str, Any]:
    """Return commit, branch, remote and `dirty` of the repository that the main script lies in.

    Else of the current directory's; empty outside of any. `commit` is 40 or 64 hexadecimal digits,
    `branch` is missing where HEAD is detached, `remote` has no credentials, `dirty` is a bool. What is
    unknown is left out.
    """
    repository = find_repository(probe)
    if repository is None:
        return {}
    config = Config(probe.read_text(os.path.join(repository.common, "config"), _MAX_CONFIG) or "")
    head = read_head(probe, repository)
    found = {
        "commit": head.commit,
        "branch": hide_credentials(head.branch),
        "remote": find_remote(config, head.branch),
    }
    is_bare = repository.folder == repository.common and config.is_on("core", "bare", False)
    dirty = None if is_bare or not head.commit else is_dirty(probe, repository, config, head.commit)
    known: dict[str, Any] = {name: value for name, value in found.items() if value}
    return known if dirty is None else {**known, "dirty": dirty}
