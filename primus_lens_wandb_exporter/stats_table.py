"""The statistics of one process as text for a person."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

_LANES = ("detection", "metrics", "logs", "local")


def table(stats: Mapping[str, Any], now: float | None = None) -> str:
    """Return the statistics of one process, `now` (Unix seconds) being when they are looked at."""
    now = time.time() if now is None else now
    whose = stats["workload_uid"] or stats["pod_name"] or "no identity"
    lines = [
        f"process {stats['pid']}: {stats['command'] or 'python'}",
        f"  {whose} -> {stats['endpoint'] if stats['reporting'] else 'nothing is sent'}"
        f"   (as of {_ago(stats['time'], now)})",
        f"  {'':<10}{'accepted':>12}{'sent':>12}{'spooled':>10}{'pending':>10}{'dropped':>10}",
    ]
    for lane in _LANES:
        if lane in stats["accepted"]:
            lines.append(_row(lane, stats))
    skipped = _listed(stats["skipped"]) or "none"
    lines.append(f"  skipped values: {skipped}")
    lines.append(f"  errors: {stats['errors']}, retries: {stats['retries']}")
    if stats["replayed"]:
        lines.append(f"  sent from the spool: {stats['replayed']:,}")
    success = stats["last_success"]
    lines.append(f"  last success: {_ago(success, now) if success else 'never'}")
    lines.append(f"  last error: {stats['last_error'] or 'none'}")
    return "\n".join(lines)


def _row(lane: str, stats: Mapping[str, Any]) -> str:
    accepted, sent, spooled, pending, dropped = (
        stats[field][lane] for field in ("accepted", "sent", "spooled", "pending", "dropped")
    )
    lost = sum(dropped.values())
    numbers = f"{accepted:>12,}{sent:>12,}{spooled:>10,}{pending:>10,}{lost:>10,}"
    return f"  {lane:<10}{numbers}  {_listed(dropped)}".rstrip()


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _ago(moment: float, now: float) -> str:
    seconds = max(0.0, now - moment)
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    return f"{seconds / 60:.0f} min ago"
