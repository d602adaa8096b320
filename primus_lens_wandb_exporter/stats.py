"""The statistics of one process, as a plain dictionary."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from . import guard
from .delivery.lane import Lane
from .delivery.route import Route
from .settings import Settings

_LONGEST_COMMAND = 200  # characters


def snapshot(
    settings: Settings,
    lanes: Mapping[str, Lane[Any]],
    skipped: Mapping[str, int],
    replayed: int = 0,
) -> dict[str, Any]:
    """Return the state of every lane's account and route; times are Unix seconds."""
    accounts = {name: lane.account() for name, lane in lanes.items()}
    routes = _routes(lanes)
    answered = [lane.route.last_success for name, lane in lanes.items() if name != "local"]
    successes = [moment for moment in answered if moment is not None]

    def sent(name: str) -> int:
        return accounts[name].sent if name in accounts else 0

    return {
        "pid": os.getpid(),
        "command": "".join(sys.argv[:1])[:_LONGEST_COMMAND],  # arguments may be passwords
        "time": time.time(),
        "reporting": settings.reports,
        "endpoint": settings.shown_url,
        "workload_uid": settings.workload_uid,
        "pod_name": settings.pod_name,
        "detection_sent": sent("detection"),
        "metrics_sent": sent("metrics"),
        "logs_sent": sent("logs"),
        "local_written": sent("local"),
        **{
            field: {name: getattr(account, field) for name, account in accounts.items()}
            for field in ("accepted", "sent", "spooled", "pending", "dropped")
        },
        "replayed": replayed,
        "skipped": dict(skipped),
        "errors": sum(route.errors for route in routes),
        "internal_errors": guard.internal_errors,
        "retries": sum(route.retries for route in routes),
        "last_error": last_error(lanes),
        "last_success": max(successes) if successes else None,
    }


def last_error(lanes: Mapping[str, Lane[Any]]) -> str | None:
    """Return what the last failure was, in words, or None if there was none."""
    return next((route.last_error for route in _routes(lanes) if route.last_error), None)


def _routes(lanes: Mapping[str, Lane[Any]]) -> list[Route]:
    return list({id(lane.route): lane.route for lane in lanes.values()}.values())
