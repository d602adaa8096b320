"""Tests that are told to end tidy up, whichever process runs them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .support.delivery import wait_until
from .support.scripts import REPOSITORY

HOOK = "from tests.support.interruption import pytest_configure\n"
LONG = """
import time
from pathlib import Path

def test_long():
    try:
        Path("began").touch()
        time.sleep(60)
    finally:
        Path("tidy").touch()
"""


@pytest.mark.parametrize("workers", [0, 1])
def test_a_test_that_is_told_to_end_tidies_up(workers: int, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(HOOK)
    (tmp_path / "test_long.py").write_text(LONG)
    command = [sys.executable, "-m", "pytest", "-n", str(workers), "-p", "no:cacheprovider"]
    environ = {"PYTHONPATH": str(REPOSITORY), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen(
        [*command, "-p", "xdist.plugin"], cwd=tmp_path, env=environ, stdout=subprocess.DEVNULL
    ) as running:
        wait_until((tmp_path / "began").exists, 60)
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == pytest.ExitCode.INTERRUPTED
    assert (tmp_path / "tidy").exists()
