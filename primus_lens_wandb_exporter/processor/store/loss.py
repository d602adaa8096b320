"""Which of a run's metrics is its loss: by name alone, the same in every engine."""

from __future__ import annotations

import re
from collections.abc import Iterable

_HELD_OUT = frozenset(("dev", "eval", "evaluation", "test", "val", "valid", "validation"))
_NO_LOSS = frozenset(("scale", "scaler", "scaling"))  # of mixed precision
_PLAIN = frozenset(
    ("avg", "batch", "epoch", "global", "lm", "loss", "mean", "step", "total", "train", "training")
)


def choose_loss(names: Iterable[str]) -> str | None:
    """Return the name that says most plainly that it is the loss in training; None: no name does.

    `loss` before `train/loss` before `actor/loss` before `val_loss`.
    """
    ranked = [(rank, name) for name in names if (rank := _rank(name)) is not None]
    return min(ranked)[1] if ranked else None


def _rank(name: str) -> tuple[bool, int, int] | None:
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    if "loss" not in words or not _NO_LOSS.isdisjoint(words):
        return None
    plain = sum(word in _PLAIN for word in words)
    return not _HELD_OUT.isdisjoint(words), len(words) - plain, len(words)
