"""What runs here and on what: one file a source, each a function of a `Probe`.

Nothing is imported, initialised, started or written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import guard
from ..delivery.courtesy import give_way
from . import environment, frameworks, pytorch, system
from .probe import Probe as Probe

_SOURCES = {
    "environment": environment.collect,
    "pytorch": pytorch.collect,
    "wrapper_frameworks": frameworks.collect_wrappers,
    "base_frameworks": frameworks.collect_bases,
    "system": system.collect,
}


def collect(probe: Probe, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evidence of a detection record; a source that fails is left out.

    Args:
        probe: the outside world.
        run: what `run.describe` said of the W&B run.
    """
    evidence: dict[str, Any] = {"wandb": dict(run)}
    for name, collect_source in _SOURCES.items():
        with guard.boundary:
            evidence[name] = collect_source(probe)
        give_way()
    return evidence
