"""The public handle on the exporter of this process.

from primus_lens_wandb_exporter.api_reporter import get_global_reporter
get_global_reporter().stats
"""

from __future__ import annotations

from typing import Any

from .exporter import get_exporter


class Reporter:
    """Looks at the exporter of this process; it holds nothing itself."""

    @property
    def stats(self) -> dict[str, Any]:
        """What was accepted, sent, dropped, skipped and is pending, as a plain dictionary.

        For each of `detection`, `metrics` (points), `logs` and `local` at every moment:
        `accepted = sent + sum(dropped.values()) + pending`.
        """
        return get_exporter().stats()

    def flush(self, timeout: float = 2.0) -> bool:
        """Wait until everything is delivered, at most `timeout` seconds and only while that goes well.

        Returns whether nothing is left.
        """
        return get_exporter().flush(timeout)


_reporter = Reporter()


def get_global_reporter() -> Reporter:
    """Return the reporter of this process; asking for it starts nothing."""
    return _reporter
