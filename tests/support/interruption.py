"""Tests that are told to end leave no processes and mounts behind."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Let SIGTERM end the tests as Ctrl+C does: what they have started and mounted goes, too.

    pytest-xdist ends its workers within seconds, of which they would know nothing: they are told first,
    and when they have ended, it does.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if not config.pluginmanager.has_plugin("dsession"):
            raise KeyboardInterrupt
        for worker in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
            with suppress(ProcessLookupError):
                os.kill(int(worker), number)

    signal.signal(signal.SIGTERM, end)
