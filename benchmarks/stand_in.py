"""A wandb whose runs do nothing, under the real wrappers: what is left is the hook's own cost."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

STEP = {"loss": 0.5, "accuracy": 0.75, "lr": 1e-4, "grad_norm": 1.5, "throughput": 1234.5}


class Run:
    """Has the attributes of a wandb run that the hook reads."""

    def __init__(self, id: str = "stand-in") -> None:
        self.id = self.name = id
        self.project = "benchmarks"
        self.config: dict[str, Any] = {}
        self.tags = ()
        self._local_step = 0

    def log(self, data: dict[str, Any], step: int | None = None, commit: bool | None = None) -> None:
        """Count the step."""
        self._local_step += 1

    def define_metric(self, name: str) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


def install() -> None:
    """Put the stand-in where wandb's class of runs would be, and let the hook wrap it."""
    from primus_lens_wandb_exporter import wandb_hook

    wandb, run_module = ModuleType("wandb"), ModuleType("wandb.sdk.wandb_run")
    wandb.init = Run  # type: ignore[attr-defined]
    run_module.Run = Run  # type: ignore[attr-defined]
    sys.modules.update({"wandb": wandb, "wandb.sdk.wandb_run": run_module})
    wandb_hook.install(wandb)
