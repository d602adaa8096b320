"""Every example runs as it stands, and reports all it logs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .support.processor import Processor
from .support.recorded import recorded_points
from .support.scripts import REPOSITORY, ScriptRunner, clean_environ

_EXAMPLES = REPOSITORY / "examples"

# Framework it needs, W&B's name of each run, and how often it logs some of its metrics.
_CASES = {
    "plain_loop": (None, ["plain-loop"], {"train/loss": 300, "line.slope": 300}),
    "several_runs": (
        None,
        ["learning-rate-0.01", "learning-rate-0.1", "learning-rate-0.4"],
        {"x": 75, "loss": 75},
    ),
    "pytorch_loop": ("torch", ["pytorch-loop"], {"train/loss": 40, "train/accuracy": 5, "epoch": 45}),
    "lightning_trainer": ("lightning", ["lightning-trainer"], {"train/loss": 12, "val/accuracy": 3}),
    "hugging_face_trainer": ("accelerate", ["hugging-face-trainer"], {"train/loss": 6, "eval/loss": 2}),
}


@pytest.mark.parametrize("name", _CASES)
def test_an_example_reports_all_it_logs(name: str, scripts: ScriptRunner, processor: Processor) -> None:
    framework, runs, counts = _CASES[name]
    if framework is not None and find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")

    scripts.run((_EXAMPLES / f"{name}.py").read_text(), timeout=110)

    assert sorted(processor.points) == sorted(recorded_points(scripts.folder))
    assert {metric: len(processor.series(metric)) for metric in counts} == counts
    assert [detection["evidence"]["wandb"]["name"] for detection in processor.detections] == runs


@pytest.mark.parametrize("path", sorted(_EXAMPLES.glob("*.py")), ids=lambda path: str(path.stem))
def test_an_example_says_nothing_of_the_exporter(path: Path) -> None:
    if path.stem != "demo":
        assert path.stem in _CASES
        assert "primus" not in path.read_text().lower()


_has_command = pytest.mark.skipif(
    not Path(sys.executable).with_name("primus-lens-wandb").exists(),
    reason="the package is not installed",
)


def _demo(environ: dict[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=REPOSITORY,
        env={**clean_environ(tmp_path), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.wandb
@_has_command
def test_the_demo_shows_that_all_that_was_logged_was_received(tmp_path: Path) -> None:
    finished = _demo({}, tmp_path)
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"^train/loss +300 +300 ", finished.stdout, re.MULTILINE)
    assert finished.stdout.endswith(
        "900 points in W&B's own record, 900 received: the same, every one.\n"
    )


@pytest.mark.wandb
@_has_command
def test_the_demo_fails_when_something_is_missing(tmp_path: Path) -> None:
    finished = _demo({"PRIMUS_LENS_WANDB_API_REPORTING": "false"}, tmp_path)
    assert finished.returncode == 1
    assert finished.stdout.endswith("900 points in W&B's own record, 0 received: NOT the same.\n")
