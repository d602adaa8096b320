"""Which training frameworks are loaded: what stands in `sys.modules`, and nothing more.

A module that is merely installed is not evidence of what runs, and importing one to find out could
initialise a GPU.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .probe import Probe


class Framework(NamedTuple):
    """A framework, its layer (`wrapper` or `base`), and the modules that give it away."""

    name: str
    layer: str
    modules: tuple[str, ...]
    fallback: bool = False  # says something only where nothing else of its layer is loaded


FRAMEWORKS = (
    Framework("primus", "wrapper", ("primus",)),
    Framework("lightning", "wrapper", ("lightning.pytorch", "pytorch_lightning")),
    Framework("transformers_trainer", "wrapper", ("transformers.trainer",)),
    Framework("accelerate", "wrapper", ("accelerate",), fallback=True),
    Framework("megatron", "base", ("megatron.core", "megatron")),
    Framework("deepspeed", "base", ("deepspeed",)),
    Framework("jax", "base", ("jax",)),
    Framework("transformers", "base", ("transformers",), fallback=True),
    Framework("pytorch", "base", ("torch",), fallback=True),
)


def collect_wrappers(probe: Probe) -> dict[str, Any]:
    """Return the loaded wrapper frameworks by name."""
    return _collect(probe, "wrapper")


def collect_bases(probe: Probe) -> dict[str, Any]:
    """Return the loaded base frameworks by name."""
    return _collect(probe, "base")


def _collect(probe: Probe, layer: str) -> dict[str, Any]:
    loaded: dict[str, Any] = {}
    for framework in FRAMEWORKS:
        if framework.layer != layer or (framework.fallback and loaded):
            continue
        for name in framework.modules:
            module = probe.module(name)
            if module is not None:
                version = probe.version_of(name.partition(".")[0])
                loaded[framework.name] = {"detected": True, "version": version}
                break
    return loaded
