"""The points a processor ought to have, by W&B's own record of the runs."""

from __future__ import annotations

from pathlib import Path

from .processor import Point
from .wandb_file import find_files, read_history, run_id

_STEP_METRICS = ("train/global_step", "trainer/global_step")


def recorded_points(folder: Path) -> list[Point]:
    """Return every number in the history of the offline runs below a folder, in order.

    The step is what the trainer logs as such, else W&B's.
    """
    points = []
    for path in find_files(folder):
        for row in read_history(path):
            named = [row.values[name] for name in _STEP_METRICS if name in row.values]
            step = int(named[0]) if named else row.step
            points += [
                Point(run_id(path), name, step, float(value))
                for name, value in row.values.items()
                if isinstance(value, (int, float)) and not isinstance(value, bool)
            ]
    return points
