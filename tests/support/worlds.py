"""Made-up worlds for the sources of evidence: modules that must not be touched, an environment."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from primus_lens_wandb_exporter.evidence import Probe


class Tripwire(ModuleType):
    """A module that reports whoever reads an attribute that it would have to make up."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{self.__name__}.{name} was touched")


class Uncallable:
    """Something of a framework's that nobody may call."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("called")


def module(name: str, **attributes: Any) -> ModuleType:
    """Return a loaded module."""
    made = Tripwire(name)
    vars(made).update(attributes)
    return made


def world(*modules: ModuleType, root: str = "/nowhere", **environ: str) -> Probe:
    """Return a world with these modules loaded and these variables set, and nothing else in it."""
    loaded = {made.__name__: made for made in modules}
    return Probe(environ=environ, modules=loaded, root=root, search_path=(), import_apart=_nothing)


def _nothing(name: str) -> None:
    return None
