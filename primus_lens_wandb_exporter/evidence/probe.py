"""All looking outside, behind one object, so that every source can be shown another world."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Callable


def _installed_version(name: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Probe:
    """The process's environment, its loaded modules, the file system below `root`, package metadata."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    modules: Mapping[str, ModuleType] = field(default_factory=lambda: sys.modules)
    root: str = "/"
    installed_version: Callable[[str], str | None] = _installed_version

    def module(self, name: str) -> ModuleType | None:
        """Return a loaded module, never importing it."""
        return self.modules.get(name)

    def version_of(self, name: str) -> str:
        """Return the version of a loaded top-level module, or an empty string.

        A module that loads its attributes lazily (transformers) is not asked for them; the installed
        package's metadata speaks for it.
        """
        module = self.modules.get(name)
        version = plain_text(vars(module).get("__version__")) if module is not None else ""
        return version or self.installed_version(name) or ""

    def read_text(self, path: str, limit: int = 65536) -> str | None:
        """Return the text of a small file below the root, or None if it cannot be read."""
        try:
            with open(
                os.path.join(self.root, path.lstrip("/")), encoding="utf-8", errors="replace"
            ) as file:
                return file.read(limit)
        except OSError:
            return None


def plain_text(value: Any) -> str:
    """Return a version-like value as an exact `str` (torch's version is a subclass), else empty."""
    return str.__str__(value) if isinstance(value, str) else ""
