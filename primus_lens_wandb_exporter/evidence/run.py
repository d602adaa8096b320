"""What a W&B run says of itself; the user's thread waits for it, so only references are taken."""

from __future__ import annotations

from itertools import islice
from typing import Any

_MAX_NAMES = 2000  # of the config


def describe(run: Any, *, config: bool = True) -> dict[str, Any]:
    """Return names, tags and config of a run, as they are: nothing is copied in depth or redacted.

    Args:
        run: a W&B run.
        config: `False` leaves the config empty.

    Raises:
        RuntimeError: another thread is changing the config.
    """
    given = run.config if config and run.config is not None else {}
    return {
        "project": _text(run, "project"),
        "name": _text(run, "name"),
        "id": _text(run, "id"),
        "entity": _text(run, "entity"),
        "group": _text(run, "group"),
        "job_type": _text(run, "job_type"),
        "config": {name: given[name] for name in islice(given.keys(), _MAX_NAMES)},
        "tags": [str(tag) for tag in getattr(run, "tags", None) or ()],
    }


def _text(run: Any, name: str) -> str:
    value = getattr(run, name, None)
    return str(value) if value else ""
