"""Pieces of scripts about the import hook, and how to see that it worked.

That it is live shows in the debug log: one line "hook installed" each time wandb was executed.
"""

from __future__ import annotations

import textwrap
from typing import Any

from .scripts import REPOSITORY, Finished

# A notebook, or an interpreter without `site`: the script itself arms the hook, when it likes.
ARMED_BY_SCRIPT: dict[str, Any] = {"hooked": False, "pythonpath": [REPOSITORY]}
WITHOUT_WANDB: dict[str, Any] = {"hooked": False, "options": ["-S"], "pythonpath": [REPOSITORY]}

START = """
import os
os.environ.pop("PRIMUS_LENS_WANDB_HOOK", None)
from primus_lens_wandb_exporter import bootstrap
"""

# Up to wandb 0.16 its service is a Python too, which would write its own line into the debug log.
LOG_THREE = """
import os
os.environ["PRIMUS_LENS_WANDB_HOOK"] = "false"
run = wandb.init()
for i in range(3):
    wandb.log({"loss": i})
run.finish()
"""
THREE = [(0, 0.0), (1, 1.0), (2, 2.0)]


def script(*parts: str) -> str:
    """Return one source of several, each indented as it likes."""
    return "\n".join(map(textwrap.dedent, parts))


def installations(finished: Finished) -> int:
    """Return how many times the hook found wandb executed."""
    return finished.debug.count("hook installed")
