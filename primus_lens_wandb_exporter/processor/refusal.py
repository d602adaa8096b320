"""How a request is refused: a status, one clear error, and a reason that is counted."""

from __future__ import annotations

from collections.abc import Mapping


class Refusal(Exception):
    """A request that is not served; `reason` is its label in the metrics."""

    def __init__(
        self, status: int, reason: str, error: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(error)
        self.status = status
        self.reason = reason
        self.error = error
        self.headers = dict(headers or {})


def refuse_for_now(status: int, reason: str, error: str, seconds: int) -> Refusal:
    """Return a refusal that says when to come back."""
    return Refusal(status, reason, error, {"Retry-After": str(seconds)})
