"""Call a function right after a named module has been executed.

The finder stays armed for good: `find_spec` probes do not use it up, and a `reload` is seen as
well. It adds one string comparison to each import of another module. Nothing is imported here but
`sys` and `_thread` (built in): this runs in every interpreter.

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


class _PostImportFinder:
    """A meta path finder that watches one module name and finds nothing by itself."""

    def __init__(self, name: str, callback: "Callable[[ModuleType], None]") -> None:
        self.name = name
        self.callback = callback
        self._searching: set[int] = set()

    def find_spec(
        self,
        fullname: str,
        path: "Optional[Sequence[str]]" = None,
        target: "Optional[ModuleType]" = None,
    ) -> "Optional[ModuleSpec]":
        if fullname != self.name:
            return None
        # Another finder may ask the whole meta path again (wrapt does): answer that with None.
        thread = get_ident()
        if thread in self._searching:
            return None
        self._searching.add(thread)
        try:
            spec = self._ask_the_others(fullname, path, target)
        finally:
            self._searching.discard(thread)
        if spec is not None and spec.loader is not None:
            self._shadow_exec_module(spec.loader)
        return spec

    def _ask_the_others(
        self,
        fullname: str,
        path: "Optional[Sequence[str]]",
        target: "Optional[ModuleType]",
    ) -> "Optional[ModuleSpec]":
        # importlib.util.find_spec would re-enter the import locks; the meta path itself does not.
        for finder in list(sys.meta_path):
            find_spec = getattr(finder, "find_spec", None)
            if finder is self or find_spec is None:
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
            self._report(module)

        try:
            loader.exec_module = exec_module
        except Exception:  # a loader without instance attributes: this import goes unseen
            pass

    def _report(self, module: "ModuleType") -> None:
        if self not in sys.meta_path:
            return
        try:
            self.callback(module)
        except Exception:  # the import of the module must succeed whatever the callback does
            pass


def after_import(name: str, callback: "Callable[[ModuleType], None]") -> None:
    """Arrange that `callback(module)` runs each time the module `name` has been executed.

    If the module is there already, it runs now. A second call for the same name changes nothing.
    What the callback raises is swallowed.
    """
    if any(finder.name == name for finder in _armed()):
        return
    finder = _PostImportFinder(name, callback)
    sys.meta_path.insert(0, finder)
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        finder._report(module)


def remove(name: str) -> None:
    """Disarm what `after_import` armed for `name`; a spec that was found earlier is inert then."""
    for finder in _armed():
        if finder.name == name:
            sys.meta_path.remove(finder)


def is_armed(name: str) -> bool:
    """Return whether an import of `name` would be seen in this process."""
    return any(finder.name == name for finder in _armed())


def _armed() -> "list[_PostImportFinder]":
    return [finder for finder in sys.meta_path if isinstance(finder, _PostImportFinder)]
