"""What travels: a body with a list of entries in it, and how a sink answers for it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, Protocol

from .courtesy import give_way


class Encoder(NamedTuple):
    """A JSON encoder, and how many entries it may encode in one go for a third of a millisecond."""

    encode: Callable[[Any], bytes]
    entries_at_a_time: int


def _choose_encoder() -> Encoder:
    def encode_json(value: Any) -> bytes:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()

    try:
        import orjson
    except ImportError:
        return Encoder(encode_json, 100)

    def encode_orjson(value: Any) -> bytes:
        try:
            return orjson.dumps(value)
        except TypeError:  # what orjson refuses, `json` may take: lone surrogates, huge integers
            return encode_json(value)

    return Encoder(encode_orjson, 1000)


_encoder: Encoder | None = None


def encoder() -> Encoder:
    """Return the fastest JSON encoder at hand; it is looked for at the first call."""
    global _encoder
    if _encoder is None:
        _encoder = _choose_encoder()
    return _encoder


class Envelope:
    """One request's worth: a head of plain fields and, under the name `field`, the entries.

    Without a field the head is the whole body and counts as one entry. The key stays the same
    over all retries of one body; the halves of a split body are new bodies.
    """

    def __init__(
        self,
        path: str,
        head: Mapping[str, Any],
        field: str = "",
        entries: Sequence[Any] = (),
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
            ValueError: an entry holds NaN or an infinity.
            TypeError: an entry holds something JSON has no form for.
        """
        if self._body is None:
            body = encoder().encode(self.head)
            if self.field:
                entries = b",".join(self._encoded_chunks())
                body = body[:-1] + b',"%s":[%s]}' % (self.field.encode(), entries)
            self._body = body
        return self._body

    def _encoded_chunks(self) -> Iterator[bytes]:
        encode, at_a_time = encoder()
        for start in range(0, len(self.entries), at_a_time):
            give_way()
            yield encode(self.entries[start : start + at_a_time])[1:-1]

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
