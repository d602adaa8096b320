"""`primus-lens-wandb evidence`: the detection record that would be sent from here, as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from . import hints, payloads
from .evidence import Collector
from .evidence.redaction import REDACTED
from .settings import Settings

_NO_RUN: dict[str, Any] = {"project": "", "name": "", "id": "", "config": {}, "tags": []}


def show_evidence(settings: Settings) -> int:
    """Print the record on standard output, what was redacted in it on standard error; return 0."""
    found = Collector().collect(_NO_RUN)
    envelope = payloads.detection_envelope(settings, found, hints.build_hints(found), time.time())
    record = json.loads(envelope.body())
    print(json.dumps(record, indent=2, ensure_ascii=False))
    redacted = list(_redacted(record, ""))
    print(
        "\nThere is no W&B run here, and only this command's own modules are loaded: run and frameworks "
        "are told by the training process.",
        file=sys.stderr,
    )
    print(f"Redacted: {', '.join(redacted) if redacted else 'nothing'}.", file=sys.stderr)
    return 0


def _redacted(value: Any, path: str) -> Iterator[str]:
    """Yield where something was taken out of a JSON value."""
    if value == REDACTED:
        yield path.removeprefix(".")
    elif isinstance(value, dict):
        for name, nested in value.items():
            yield from _redacted(nested, f"{path}.{name}")
    elif isinstance(value, list):
        for index, nested in enumerate(value):
            yield from _redacted(nested, f"{path}[{index}]")
