"""`primus-lens-wandb inject` fills a folder that any Python may have on PYTHONPATH."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .support.installation import COUNT_FINDERS, run_python
from .support.scripts import REPOSITORY


def inject(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "primus_lens_wandb_exporter", "inject", *options, str(folder)]
    environ = {"PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, cwd="/")


def test_the_folder_arms_once_and_says_nothing(tmp_path: Path) -> None:
    finished = inject(tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    started = run_python(sys.executable, COUNT_FINDERS, pythonpath=tmp_path)
    assert (started.stdout, started.stderr) == ("1\n", "")
