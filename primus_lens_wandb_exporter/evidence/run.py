"""What a W&B run says of itself; read in the thread that called `wandb.init`."""

from __future__ import annotations

from typing import Any

from .redaction import hide_credentials, redact


def describe(run: Any) -> dict[str, Any]:
    """Return project, name, id, tags and the redacted config of a run."""
    return {
        "project": _text(run, "project"),
        "name": _text(run, "name"),
        "id": _text(run, "id"),
        "config": redact(dict(run.config)),
        "tags": [hide_credentials(str(tag)) for tag in getattr(run, "tags", None) or ()],
    }


def _text(run: Any, name: str) -> str:
    value = getattr(run, name, None)
    return str(value) if value else ""
