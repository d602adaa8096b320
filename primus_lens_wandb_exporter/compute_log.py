"""Write the compute metadata into the user's W&B config; only where that was asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .evidence import Collector
from .evidence.compute import summary_line
from .evidence.redaction import redact
from .evidence.run import describe


def log_compute_metadata(run: Any, collector: Collector) -> None:
    """Add what the config does not have yet, and say so in one line.

    The names have dots (`compute.cpu_count`, `slurm.job_id`, `system.hostname`): W&B lets nobody change
    a value later, and `system` or `model` may be the user's own. What was read from their config is not
    written back. A run that W&B hands out again, or resumes, has it all already.
    """
    config = describe(run)["config"]
    metadata = redact(collector.describe_compute(config) or {})
    new = {name: value for name, value in _flatten(metadata) if name not in config}
    if new:
        run.config.update(new)
        line = summary_line(metadata)
        try:
            print(line, flush=True)
        except UnicodeEncodeError:
            print(line.encode("ascii", "ignore").decode().strip(), flush=True)


def _flatten(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in metadata.items():
        if name in ("system", "slurm"):
            yield from ((f"{name}.{inner}", nested) for inner, nested in value.items())
        elif name.startswith("compute.") and value != []:
            yield name, value
