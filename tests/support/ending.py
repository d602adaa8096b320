"""Scripts that are told to end."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .scripts import ScriptRunner


@contextmanager
def told_to_end(scripts: ScriptRunner, source: str, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a script, and send SIGTERM when it says that it is ready."""
    process = scripts.start(source, **options)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        yield process
    finally:
        process.kill()
        process.communicate()


def end(process: subprocess.Popen[str], seconds: float = 30) -> tuple[int, str]:
    """Return the status and what was printed after `ready`."""
    stdout, stderr = process.communicate(timeout=seconds)
    print(stderr)  # shown if the test fails
    return process.returncode, stdout
