"""What travels: a body with a list of entries in it, and how a sink answers for it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from .json_text import to_json


class Envelope:
    """One request's worth: a head of plain fields and, under the name `field`, the entries.

    An entry is JSON text. Without a field the head is the whole body and counts as one entry. The
    key stays the same over all retries of one body; the halves of a split body are new bodies.
    """

    def __init__(
        self,
        path: str,
        head: Mapping[str, Any],
        field: str = "",
        entries: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.head = head
        self.field = field
        self.entries = entries
        self.key = os.urandom(16).hex()
        self.created = time.monotonic()
        self._body: bytes | None = None

    @property
    def weight(self) -> int:
        """How many counted things it holds."""
        return len(self.entries) if self.field else 1

    def body(self) -> bytes:
        """Return the JSON body, encoded once.

        Raises:
            ValueError, TypeError: the head holds something JSON has no form for.
        """
        if self._body is None:
            text = to_json(self.head)
            if self.field:
                text = f'{text[:-1]},"{self.field}":[{",".join(self.entries)}]}}'
            self._body = text.encode()
        return self._body

    def split(self) -> tuple[Envelope, Envelope] | None:
        """Return two envelopes with half of the entries each, or None if there is nothing to halve."""
        middle = len(self.entries) // 2
        if not middle:
            return None
        halves = (self.entries[:middle], self.entries[middle:])
        first, second = (Envelope(self.path, self.head, self.field, half) for half in halves)
        return first, second


class Verdict(Enum):
    """What is to become of an envelope."""

    SENT = "sent"
    RETRY = "retry"
    SPLIT = "split"  # too large, or one entry in it is refused: try the halves
    DROP = "drop"


class Outcome(NamedTuple):
    """A sink's answer: the verdict, why (a drop reason or an error), and when to come back."""

    verdict: Verdict
    reason: str = ""
    detail: str = ""
    retry_after: float | None = None  # seconds the other side asked for
    unreachable: bool = False  # nothing answered at all


class Sink(Protocol):
    """Where envelopes go."""

    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        """Deliver one envelope, taking at most about `timeout` seconds. Does not raise."""

    def close(self) -> None:
        """Let go of files and connections."""
