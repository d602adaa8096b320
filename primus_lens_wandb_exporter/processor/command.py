"""`primus-lens-wandb serve`: what it needs is looked for first, so that a lack of it is said plainly."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from .settings import BadSetting, load

_NEEDED = ("msgspec", "prometheus_client", "starlette", "uvicorn")


def run(options: Mapping[str, Any]) -> int:
    """Serve with the options that are not None and the environment; return the exit status.

    0: stopped by a signal; 1: not installed, or port or database cannot be used; 2: a bad setting.
    """
    try:
        settings = load(options=options)
    except BadSetting as error:
        print(f"primus-lens-wandb: {error}", file=sys.stderr)
        return 2
    try:
        from .serve import serve
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        print(
            f"primus-lens-wandb: {error.name} is missing: "
            "pip install 'primus-lens-wandb-exporter[processor]'",
            file=sys.stderr,
        )
        return 1
    return serve(settings)
