"""Call a function right after a named module has been executed.

The finder stays armed for good: `find_spec` probes do not use it up, and a `reload` is seen as
well. It adds one string comparison to each import of another module.

No loader is replaced. The loader that the other finders chose is used as it is, with
`exec_module` shadowed on that one instance until the moment it executes, so that its type, its
resources and its source readers are the genuine ones at all times.
"""

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Optional


class PostImportFinder:
    """A meta path finder that watches one module name and lets the other finders find it."""

    def __init__(self, name: str, callback: "Callable[[ModuleType], None]") -> None:
        self.name = name
        self.callback = callback
        self.armed = True
        self._searching: set[int] = set()

    def find_spec(
        self,
        fullname: str,
        path: "Optional[Sequence[str]]" = None,
        target: "Optional[ModuleType]" = None,
    ) -> "Optional[ModuleSpec]":
        """Return what the other finders find, arranged to be reported once it has been executed."""
        if fullname != self.name or not self.armed:
            return None
        # The others are asked by way of the whole meta path, and some do so themselves (wrapt's).
        thread = get_ident()
        if thread in self._searching:
            return None
        self._searching.add(thread)
        try:
            spec = self._ask_the_others(fullname, path, target)
            if spec is not None and spec.loader is not None:
                self._shadow_exec_module(spec.loader)
            return spec
        except Exception:  # ours, or a finder's that will raise it again when it is asked after us
            return None
        finally:
            self._searching.discard(thread)

    def _ask_the_others(
        self,
        fullname: str,
        path: "Optional[Sequence[str]]",
        target: "Optional[ModuleType]",
    ) -> "Optional[ModuleSpec]":
        # importlib.util.find_spec would re-enter the import locks; the meta path itself does not.
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            if find_spec is None:
                continue
            spec: Optional[ModuleSpec] = find_spec(fullname, path, target)
            if spec is not None:
                return spec
        return None

    def _shadow_exec_module(self, loader: "Any") -> None:
        def exec_module(module: "ModuleType") -> None:
            # Looked up again after the shadow is gone: a loader that wraps another one forwards
            # attributes, so the method seen earlier could be our own.
            try:
                del loader.exec_module
            except AttributeError:
                pass
            loader.exec_module(module)
            self.report(module)

        try:
            loader.exec_module = exec_module
        except Exception:  # a loader without instance attributes: this import goes unseen
            pass

    def report(self, module: "ModuleType") -> None:
        """Call the callback, unless disarmed meanwhile; what it raises is swallowed."""
        if not self.armed:
            return
        try:
            self.callback(module)
        except Exception:  # the import of the module must succeed whatever the callback does
            pass


def after_import(name: str, callback: "Callable[[ModuleType], None]") -> None:
    """Arrange that `callback(module)` runs each time the module `name` has been executed.

    If the module is there already, it runs now. If the name is watched already, nothing changes.
    What the callback raises is swallowed.
    """
    if is_armed(name):
        return
    finder = PostImportFinder(name, callback)
    sys.meta_path.insert(0, finder)
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        finder.report(module)


def remove(name: str) -> None:
    """Disarm what watches `name`; a spec that was found earlier is inert then."""
    for watcher in _watchers(name):
        sys.meta_path.remove(watcher)
        finder = getattr(watcher, "finder", watcher)  # of the entry file's trigger, or itself
        if finder is not None:
            finder.armed = False


def is_armed(name: str) -> bool:
    """Return whether an import of `name` would be seen in this process."""
    return bool(_watchers(name))


def _watchers(name: str) -> "list[Any]":
    ours = (__name__, "_primus_lens_wandb_exporter")
    return [
        finder
        for finder in sys.meta_path
        if type(finder).__module__ in ours and getattr(finder, "name", None) == name
    ]
