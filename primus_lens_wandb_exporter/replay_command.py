"""`primus-lens-wandb replay`: send a spool by hand, where no process is left to do it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from time import monotonic
from typing import Any

from .delivery.envelope import Outcome, Verdict
from .delivery.http_sink import HttpSink
from .delivery.replay import Replay
from .delivery.spool import SPOOL, Spool
from .settings import Settings

_ATTEMPTS = 3  # in a row that fail, then it is better to come back later


def replay(folder: str, settings: Settings) -> int:
    """Send what lies in a spool folder, or below an output path; return the exit status.

    It may be interrupted and repeated: what was sent is gone from the folder, what was not is there.
    The status is 0 when nothing is left and this time nothing was set aside.
    """
    folder = os.path.abspath(folder)
    if os.path.basename(folder) != SPOOL:  # files of somebody else's are none of our business
        folder = os.path.join(folder, SPOOL)
    if not os.path.isdir(folder):
        print(f"primus-lens-wandb: {folder}: no such folder, so nothing to send", file=sys.stderr)
        return 2
    spool = Spool(folder, settings.spool_size << 20)
    aside = spool.names_aside()
    total = len(spool.waiting())
    print(f"{total} bodies in {folder}, to {settings.shown_url}", flush=True)
    replaying = Replay(spool, HttpSink(settings))
    bodies, interrupted = 0, False
    try:
        with _bar(total) as bar:
            for outcome in _outcomes(replaying, settings.request_timeout):
                if outcome.verdict is Verdict.SENT:
                    bodies += 1
                    bar.update()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        replaying.route.sink.close()
    left = len(spool.waiting())
    sent = "1 body" if bodies == 1 else f"{bodies} bodies"
    print(f"{sent} sent ({replaying.sent} points, log entries and records), {left} left")
    aside = spool.names_aside() - aside
    for name in sorted(aside):
        print(f"set aside, because it is damaged, foreign or refused: {os.path.join(spool.aside, name)}")
    if interrupted:
        print("Interrupted. Run this again to go on.")
        return 130
    if left and replaying.route.failures:
        print(
            f"The endpoint fails: {replaying.route.last_error}. Nothing is lost; run this again later."
        )
    elif left:
        print("What is left belongs to processes that are sending it.")
    return int(bool(left or aside))


def _outcomes(replaying: Replay, timeout: float) -> Iterator[Outcome]:
    """Send until nothing is left, or too many attempts have failed in a row."""
    route = replaying.route
    while route.failures < _ATTEMPTS:
        time.sleep(max(0.0, route.open_at(hurried=True) - monotonic()))
        outcome = replaying.send_next(timeout)
        if outcome is None:
            return
        yield outcome


class _NoBar:
    """What is shown where `tqdm` is not installed: nothing."""

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self) -> None:
        """One more was sent."""


def _bar(total: int) -> Any:
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return _NoBar()
    return tqdm(total=total, unit=" bodies", disable=None)
