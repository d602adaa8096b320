"""As much of a W&B run as the exporter asks of one."""

from __future__ import annotations

from typing import Any


class StandInRun:
    """A run that never saw W&B."""

    project, name, entity, group, job_type = "p", "n", "", "", ""
    tags: tuple[str, ...] = ()

    def __init__(self, run_id: str = "run-1", **config: Any) -> None:
        self.id, self.config = run_id, config
