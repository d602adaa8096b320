"""Run a script with and without us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .scripts import Finished, ScriptRunner

QUIET = {"PRIMUS_LENS_WANDB_DEBUG": "false"}


def as_without_us(
    scripts: ScriptRunner, source: str, environ: Mapping[str, str] = QUIET, **options: Any
) -> Finished:
    """Run a script with and without us, in silence; it must end in the same way.

    The one line about losses is ours to print.
    """
    without = scripts.run(source, hooked=False, environ=environ, ok=False, **options)
    hooked = scripts.run(source, environ=environ, ok=False, **options)
    assert hooked._replace(debug="") == without
    assert hooked.debug.count("\n") == hooked.debug.count("data is being lost") <= 1
    return hooked
