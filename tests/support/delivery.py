"""Parts for tests of delivery: a sink that answers as it is told, and a way to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable

from primus_lens_wandb_exporter.delivery.envelope import Envelope, Outcome, Verdict

SENT = Outcome(Verdict.SENT)
RETRY = Outcome(Verdict.RETRY, "http_500")
SPLIT = Outcome(Verdict.SPLIT, "http_413")
DROP = Outcome(Verdict.DROP, "http_404")


def wait_until(condition: Callable[[], Any], seconds: float = 30, every: float = 0.002) -> None:
    """Wait, in seconds, for something that announces itself to nobody; fail if it does not happen."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(every)


def pack_together(items: Sequence[Any]) -> Iterable[Envelope]:
    """Pack items into one envelope."""
    return iter([Envelope("/things", {}, "things", list(items))] if items else [])


class ScriptedSink:
    """Gives the answers it was given, one a request, then `SENT`; remembers the requests."""

    def __init__(self, answers: Iterable[Outcome] = ()) -> None:
        self.answers = list(answers)
        self.requests: list[Envelope] = []
        self.taken: list[Any] = []

    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        """Answer one request."""
        self.requests.append(envelope)
        outcome = self.answers.pop(0) if self.answers else SENT
        if outcome.verdict is Verdict.SENT:
            self.taken.extend(envelope.entries)
        return outcome

    def close(self) -> None:
        """Nothing is held open."""


class GatedSink(ScriptedSink):
    """A sink that keeps every request waiting until its gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.entered = threading.Event()

    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        """Answer once the gate is open."""
        self.entered.set()
        assert self.gate.wait(60)
        return super().send(envelope, timeout)
