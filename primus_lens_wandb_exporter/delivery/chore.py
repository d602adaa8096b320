"""What the worker does now and then beside delivering."""

from __future__ import annotations

from typing import Protocol


class Chore(Protocol):
    """Performed by the worker's thread between two rounds, not any more once the process ends."""

    due_at: float  # monotonic time

    def perform(self) -> None:
        """Do it, in little time, and set when it is due next, also if it fails."""
