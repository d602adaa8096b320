"""Real repositories, made by git itself and untouched by the settings of whoever runs the tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

from primus_lens_wandb_exporter.evidence import Probe, git

ENVIRON = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": "/nonexistent",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",  # `git status` leaves the index as it is
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_ALLOW_PROTOCOL": "file",
}


class Repository:
    """A work tree and the commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *arguments: str) -> str:
        """Run a git command; return what it printed.

        Raises:
            subprocess.CalledProcessError: git refused.
        """
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=ENVIRON, check=True, capture_output=True
        )
        return os.fsdecode(done.stdout).rstrip("\n")

    def write(self, name: str, text: str) -> None:
        """Write a file, with the folders above it."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def commit(self) -> str:
        """Commit everything; return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "why")
        return self.git("rev-parse", "HEAD")

    def is_dirty(self) -> bool:
        """Return what git says of the work tree."""
        return bool(self.git("status", "--porcelain", "--untracked-files=no"))


def make_repository(folder: Path, *options: str) -> Repository:
    """Return a repository with two committed files."""
    folder.mkdir(parents=True, exist_ok=True)
    repository = Repository(folder)
    repository.git("init", "--quiet", "--initial-branch=main", *options)
    repository.write("train.py", "print(1)\n")
    repository.write("src/model.py", "import this\n")
    repository.commit()
    return repository


def look_from(folder: Path | str, script: Path | None = None, **environ: str) -> dict[str, Any]:
    """Return what `git.collect` finds from a current directory, or from a script."""
    main = ModuleType("__main__")
    if script is not None:
        main.__file__ = str(script)
    probe = Probe(environ=environ, modules={"__main__": main}, working_folder=lambda: str(folder))
    return git.collect(probe)
