"""Run a script with and without us."""

from __future__ import annotations

from typing import Any

from .scripts import Finished, ScriptRunner

QUIET = {"PRIMUS_LENS_WANDB_DEBUG": "false"}


def as_without_us(scripts: ScriptRunner, source: str, **options: Any) -> Finished:
    """Run a script with and without us, in silence; it must end in the same way."""
    without = scripts.run(source, hooked=False, environ=QUIET, ok=False, **options)
    hooked = scripts.run(source, environ=QUIET, ok=False, **options)
    assert hooked == without
    return hooked
