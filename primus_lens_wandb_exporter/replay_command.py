"""`primus-lens-wandb replay`: send a spool by hand, where no process is left to do it."""

from __future__ import annotations

import os
import sys
import time
from time import monotonic
from typing import Any

from .delivery.envelope import Verdict
from .delivery.http_sink import HttpSink
from .delivery.replay import Replay
from .delivery.route import Route
from .delivery.spool import SPOOL, Spool
from .settings import Settings

_ATTEMPTS = 3  # in a row that fail, then it is better to come back later


def replay(folder: str, settings: Settings) -> int:
    """Send what lies in a spool folder, or below an output path; return the exit status.

    It may be interrupted and repeated: what was sent is gone from the folder, what was not is there.
    The status is 0 when nothing is left and nothing was set aside.
    """
    folder = os.path.abspath(folder)
    if os.path.basename(folder) != SPOOL:  # files of somebody else's are none of our business
        folder = os.path.join(folder, SPOOL)
    if not os.path.isdir(folder):
        print(f"primus-lens-wandb: {folder}: no such folder, so nothing to send", file=sys.stderr)
        return 2
    spool = Spool(folder, settings.spool_size << 20)
    total = len(spool.waiting())
    print(f"{total} bodies, {spool.size() / (1 << 20):.1f} MiB, to {settings.shown_url}", flush=True)
    route = Route(HttpSink(settings))
    replaying = Replay(spool, route)
    interrupted = False
    try:
        with _bar(total) as bar:
            while route.failures < _ATTEMPTS:
                time.sleep(max(0.0, route.open_at(hurried=True) - monotonic()))
                outcome = replaying.send_next(settings.request_timeout)
                if outcome is None:
                    break
                if outcome.verdict is Verdict.SENT:
                    bar.update()
                elif outcome.verdict is not Verdict.RETRY:
                    bar.write(outcome.detail or outcome.reason)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        route.sink.close()
    left = len(spool.waiting())
    set_aside = spool.count_aside()
    print(f"{replaying.sent} points, log entries and records sent; {left} bodies left", flush=True)
    if set_aside:
        print(f"{set_aside} files are set aside in {spool.aside}; last: {spool.last_error or 'earlier'}")
    if left and route.failures:
        print(f"The endpoint fails: {route.last_error}. Run this again when it is well.")
    elif left and not interrupted:
        print("What is left belongs to processes that are sending it.")
    if interrupted:
        return 130
    return int(bool(left or set_aside))


class _NoBar:
    """What is shown where `tqdm` is not installed: nothing."""

    def __enter__(self) -> _NoBar:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self) -> None:
        """One more was sent."""

    def write(self, text: str) -> None:
        """Print a line."""
        print(text)


def _bar(total: int) -> Any:
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return _NoBar()
    return tqdm(total=total, unit=" bodies", disable=None)
