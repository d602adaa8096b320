"""Write the compute metadata into the user's W&B config; only where that was asked for."""

from __future__ import annotations

from typing import Any

from .evidence import Collector
from .evidence.compute import summary_line
from .evidence.redaction import redact
from .evidence.run import describe


def log_compute_metadata(run: Any, collector: Collector) -> None:
    """Add what the config does not have yet, under the metadata's own names, and say so in one line.

    A run that W&B hands out again, or resumes, has it already.
    """
    config = describe(run)["config"]
    metadata = redact(collector.describe_compute(config) or {})
    new = {
        name: value for name, value in metadata.items() if name not in config and value not in ({}, [])
    }
    if new:
        run.config.update(new)
        line = summary_line(metadata)
        try:
            print(line, flush=True)
        except UnicodeEncodeError:
            print(line.encode("ascii", "ignore").decode().strip(), flush=True)
