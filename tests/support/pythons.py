"""Other Pythons of this machine."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def find_pythons(*minors: str) -> list[Path]:
    """Find an interpreter of each minor version but the running one, kept by pyenv or on PATH."""
    found = (_find(f"python{minor}") for minor in minors if minor != f"3.{sys.version_info[1]}")
    return [path for path in found if path is not None]


def _find(name: str) -> Path | None:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = sorted(versions.glob(f"*/bin/{name}"))
    on_path = shutil.which(name)
    return kept[-1] if kept else Path(on_path) if on_path else None


PLAIN = os.path.realpath(sys.executable)  # the one that a virtual environment is made from
OLD = find_pythons("2.7", "3.6", "3.7", "3.8")
SUPPORTED = find_pythons("3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
