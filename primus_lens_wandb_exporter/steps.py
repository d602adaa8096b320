"""Which step a logged value belongs to.

In this order: the call's explicit step; the step metric that `define_metric` names for the
value; `train/global_step`, `trainer/global_step` (Hugging Face, Lightning) or `global_step`; the
run's own counter before the call. A step metric counts when the call carries it as a whole number.
"""

from __future__ import annotations

from collections.abc import Mapping
from operator import index
from typing import Any

from .capture import to_plain

BY_PRECEDENCE = ("train/global_step", "trainer/global_step", "global_step")
WELL_KNOWN = frozenset(BY_PRECEDENCE)

_INT64 = 2**63


def to_step(value: Any) -> int | None:
    """Return a step as a plain 64-bit integer, or None if the value is not a whole number."""
    if type(value) is not int:
        try:
            value = int(index(value))  # integers of any library, digit by digit
        except Exception:
            number = to_plain(value)
            if isinstance(number, str) or number is None or not float(number).is_integer():
                return None
            value = int(number)
    return value if -_INT64 <= value < _INT64 else None


class StepMetrics:
    """The step metrics that a run's `define_metric` calls named."""

    def __init__(self) -> None:
        self.defined = False  # whether there is any
        self._exact: dict[str, str] = {}
        self._globs: dict[str, str] = {}  # prefix before the `*`, longest first

    def define(self, name: str, step_metric: str) -> None:
        """Remember one definition; `name` may end in `*`."""
        self.defined = True
        if name.endswith("*"):
            globs = {**self._globs, name[:-1]: step_metric}
            self._globs = dict(sorted(globs.items(), key=lambda glob: -len(glob[0])))
        else:
            self._exact[name] = step_metric

    def step_metric_of(self, name: str) -> str | None:
        """Return the step metric of one metric; an exact name wins over a longer over a shorter glob."""
        exact = self._exact.get(name)
        if exact is not None:
            return exact
        for prefix, step_metric in self._globs.items():
            if name.startswith(prefix):
                return step_metric
        return None


def well_known_step(metrics: Mapping[str, float], default: int) -> int:
    """Return the step that a call carries under a well-known name, else the default."""
    for name in BY_PRECEDENCE:
        if name in metrics:
            step = to_step(metrics[name])
            if step is not None:
                return step
    return default


def group_by_step(
    names: Mapping[str, Any],
    metrics: Mapping[str, float],
    definitions: StepMetrics,
    default: int,
) -> dict[int, dict[str, Any]]:
    """Sort named values by the step that `definitions` gives each; `metrics` is the whole call."""
    groups: dict[int, dict[str, Any]] = {}
    for name, value in names.items():
        step = to_step(metrics.get(definitions.step_metric_of(name) or ""))
        groups.setdefault(default if step is None else step, {})[name] = value
    return groups
