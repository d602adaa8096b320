"""Every example runs as it stands, and reports all it logs."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx
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


def _start_demo(tmp_path: Path, *options: str, **environ: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "examples.demo", *options],
        cwd=REPOSITORY,
        env={**clean_environ(tmp_path), **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.wandb
@_has_command
def test_the_demo_shows_that_all_that_was_logged_is_stored(tmp_path: Path) -> None:
    with _start_demo(tmp_path) as demo:
        stdout, stderr = demo.communicate(timeout=60)
    assert demo.returncode == 0, stderr
    assert stdout.startswith("$ primus-lens-wandb run ")  # no page to open: it is gone within seconds
    assert re.search(r"^state +finished ", stdout, re.MULTILINE)
    assert re.search(r"^train/loss +300 +300 ", stdout, re.MULTILINE)
    assert stdout.endswith("900 points in W&B's own record, 900 stored: the same, every one.\n")


@pytest.mark.wandb
@_has_command
def test_the_demo_fails_when_something_is_missing(tmp_path: Path) -> None:
    with _start_demo(tmp_path, PRIMUS_LENS_WANDB_API_REPORTING="false") as demo:
        stdout, _ = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert stdout.endswith("900 points in W&B's own record, 0 stored: NOT the same.\n")


@pytest.mark.wandb
@_has_command
def test_the_demo_leaves_its_page_open_until_it_is_interrupted(tmp_path: Path) -> None:
    with _start_demo(tmp_path, "--keep") as demo:
        assert demo.stdout is not None
        last = next(line for line in demo.stdout if "until C-c" in line)
        url = last.split()[2]
        assert httpx.get(url, trust_env=False).headers["content-type"].startswith("text/html")
        demo.send_signal(signal.SIGINT)
        _, stderr = demo.communicate(timeout=60)
    assert (demo.returncode, stderr) == (0, "")
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)
