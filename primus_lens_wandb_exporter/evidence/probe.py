"""All looking outside, behind one object, so that every source can be shown another world."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Callable

from ..delivery.courtesy import in_slices

_METADATA_FOLDER = re.compile(r"(.+?)-([^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")


def import_apart(name: str) -> ModuleType | None:
    """Return a module that is loaded or installed, without a trace of its name; None if neither.

    A copy below a name of our own leaves the program's view of what is loaded as it was, and holds no
    lock on the name itself that a fork could leave locked for ever in the child. It needs a name: pynvml
    looks itself up in `sys.modules` while it is executed.

    Raises:
        Exception: whatever the module raises.
    """
    alias = f"{__package__}.apart.{name}"
    for known in (name, alias):
        loaded = sys.modules.get(known)
        # A fork may have come in the middle of loading it.
        if loaded is not None and not getattr(contents(loaded).get("__spec__"), "_initializing", False):
            return loaded
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec, spec_from_file_location

    found = PathFinder.find_spec(name)
    if found is None or not found.has_location:
        return None
    spec = spec_from_file_location(
        alias, found.origin, submodule_search_locations=found.submodule_search_locations
    )
    if spec is None or spec.loader is None:
        return None
    module = sys.modules[alias] = module_from_spec(spec)
    vars(spec)["_initializing"] = True  # as the import system marks it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[alias]
        raise
    vars(spec)["_initializing"] = False
    return module


def working_folder() -> str:
    """Return the current directory, or an empty string where it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return ""


@dataclass(frozen=True)
class Probe:
    """The process's environment, modules, paths and packages, and the file system below `root`.

    `import_apart` is how a source loads a library of its own need (pynvml), never a framework.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    modules: Mapping[str, ModuleType] = field(default_factory=lambda: sys.modules)
    root: str = "/"
    search_path: Sequence[str] = field(default_factory=lambda: sys.path)
    import_apart: Callable[[str], Any] = import_apart
    working_folder: Callable[[], str] = working_folder

    def module(self, name: str) -> ModuleType | None:
        """Return a loaded module, never importing it."""
        return self.modules.get(name)

    def look_up(self, name: str, attribute: str) -> Any:
        """Return a loaded module's attribute as it stands there, calling no `__getattr__`; else None."""
        return contents(self.modules.get(name)).get(attribute)

    def version_of(self, name: str, package: str = "") -> str:
        """Return the version of a loaded module, or an empty string.

        A module that loads its attributes lazily (transformers) is not asked for them; the metadata of
        the installed package, if not of the module's own name, speaks for it, once `packages` was asked.
        """
        version = plain_text(self.look_up(name, "__version__"))
        known: Mapping[str, str] = vars(self).get("_packages") or {}
        return version or known.get(normal_name(package or name), "")

    @property
    def packages(self) -> Mapping[str, str]:
        """Versions of the installed packages by normal name; no file is opened, only folders listed.

        They are listed once, and may hang on a lost file server: for whoever has `Patience`. Without a
        lock, which a fork could leave locked: at worst they are listed twice.
        """
        known: Mapping[str, str] | None = vars(self).get("_packages")
        if known is None:
            known = vars(self)["_packages"] = self._list_packages()
        return known

    def _list_packages(self) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for folder in tuple(self.search_path):
            try:
                names = os.listdir(folder or os.curdir)
            except OSError:  # a zip file, or what is gone
                continue
            for name in in_slices(names):
                named = _METADATA_FOLDER.fullmatch(name) if name.endswith("-info") else None
                if named is not None:
                    found.setdefault(normal_name(named[1]), named[2])
        return found

    def path(self, path: str) -> str:
        """Return where an absolute path lies below the root."""
        return os.path.join(self.root, path.lstrip("/"))

    def read_text(self, path: str, limit: int = 65536) -> str | None:
        """Return the text of a small file below the root, or None if it cannot be read.

        At most `limit` characters; bytes that are not UTF-8 are replaced.
        """
        try:
            with open(self.path(path), encoding="utf-8", errors="replace") as file:
                return file.read(limit)
        except (OSError, ValueError):  # a name with a null character
            return None

    def read_bytes(self, path: str, limit: int, offset: int = 0) -> bytes | None:
        """Return at most `limit` bytes of a file below the root, or None if it cannot be read."""
        try:
            with open(self.path(path), "rb", buffering=0) as file:
                file.seek(offset)
                return file.read(limit)
        except (OSError, ValueError, OverflowError):  # an offset that is none
            return None

    def lstat(self, path: str) -> os.stat_result | None:
        """Return the status of a file, not followed if it is a link; None if it is not there."""
        try:
            return os.lstat(self.path(path))
        except (OSError, ValueError):
            return None

    def read_link(self, path: str) -> str:
        """Return where a symbolic link points, empty if it cannot be read."""
        try:
            return os.readlink(self.path(path))
        except (OSError, ValueError):
            return ""

    def list_folder(self, path: str) -> list[str]:
        """Return the sorted names in a folder below the root, none if it cannot be listed."""
        try:
            return sorted(os.listdir(self.path(path)))
        except (OSError, ValueError):
            return []


def contents(module: Any) -> Mapping[str, Any]:
    """Return a module's names, none for what has no such thing: anything may stand in `sys.modules`."""
    try:
        names: Mapping[str, Any] = vars(module)
    except TypeError:
        return {}
    return names


def normal_name(package: str) -> str:
    """Return a package's name as the packaging standard compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def plain_text(value: Any) -> str:
    """Return a version-like value as an exact `str` (torch's version is a subclass), else empty."""
    return str.__str__(value) if isinstance(value, str) else ""
