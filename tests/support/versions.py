"""Which wandb the tests meet."""

from __future__ import annotations

from importlib.metadata import version

WANDB = tuple(int(part) for part in version("wandb").split(".")[:2])
