"""The two ways in, a wheel in the image and an injected folder, deliver the same bytes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from .support.injection import injected
from .support.installation import Environment
from .support.processor import Processor
from .support.pythons import SUPPORTED
from .support.scripts import ScriptRunner

TRAIN = """
import wandb
config = {"lr": 0.1, "api_key": "1234", "layers": [1, 2]}
with wandb.init(project="p", name="n", id="run-1", config=config, tags=["t"]) as run:
    for i in range(50):
        run.log({"loss": 1 / (i + 1), "nested": {"accuracy": i}, "note": f"{i}", "bad": float("nan")})
"""
# Where there is no wandb: as the hook does it.
BY_HAND = """
import time
from primus_lens_wandb_exporter.exporter import get_exporter
exporter = get_exporter()
class Run:
    id, config = "run-1", {}
run = Run()
exporter.announce(run)
for i in range(50):
    exporter.record(run.id, time.time(), i, {"loss": 1 / (i + 1)}, {"note": f"{i}"})
exporter.flush(10)  # from 3.12 on, no thread can be asked for evidence while the interpreter ends
"""
AT_THE_END = {  # all that waits goes out then, in as few bodies as there can be
    "PRIMUS_LENS_WANDB_BATCH_SIZE": "1000",
    "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "3600",
    "PRIMUS_LENS_WANDB_DEBUG": "false",
    "PRIMUS_LENS_WANDB_HOOK": "true",
}

# What differs from one run of the same process to the next: two runs of the wheel do so, too.
VARYING = {"timestamp", "pid"}
VARYING_HEADERS = {"Idempotency-Key", "Content-Length"}  # a key drawn by lot; digits of the time


class Sent(NamedTuple):
    """One request, with the order of all names and items in it."""

    path: str
    headers: str
    body: str


def taken(processor: Processor) -> list[Sent]:
    """Return the requests taken so far but for what varies, and forget them."""
    requests = [
        Sent(path, _text({**headers, **dict.fromkeys(VARYING_HEADERS & set(headers))}), _text(body))
        for path, headers, body in processor.received
    ]
    processor.received.clear()
    return requests


def _text(value: Any) -> str:
    return json.dumps(_without_varying(value), indent=1)


def _without_varying(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: f"some {type(item).__name__}" if name in VARYING else _without_varying(item)
            for name, item in value.items()
        }
    return [_without_varying(item) for item in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return injected(tmp_path_factory.mktemp("injected"))


def test_a_wheel_and_an_injected_folder_send_the_same(
    wheel: Path, folder: Path, scripts: ScriptRunner, processor: Processor, tmp_path: Path
) -> None:
    environment = Environment(tmp_path / "env")
    environment.add_packages()
    how: dict[str, Any] = {"python": str(environment.python), "hooked": False, "environ": AT_THE_END}
    scripts.run(TRAIN, **how)
    assert processor.received == []  # without us
    scripts.run(TRAIN, pythonpath=[folder], **how)
    from_folder = taken(processor)
    environment.install(wheel)
    scripts.run(TRAIN, **how)
    from_wheel = taken(processor)
    assert [sent.path for sent in from_wheel] == ["/wandb/detection", "/wandb/metrics", "/wandb/logs"]
    assert from_folder == from_wheel


@pytest.mark.parametrize("python", SUPPORTED, ids=lambda path: path.name)
def test_another_python_sends_the_same_but_for_its_own_version(
    python: Path, folder: Path, scripts: ScriptRunner, processor: Processor, tmp_path: Path
) -> None:
    """With bytecode for this one, none for that, and neither with what is installed here."""
    sent = []
    for interpreter in (Environment(tmp_path / "env").python, python):
        how: dict[str, Any] = {"pythonpath": [folder], "hooked": False, "environ": AT_THE_END}
        finished = scripts.run(BY_HAND, python=str(interpreter), options=["-s"], **how)
        assert (finished.stdout, finished.stderr) == ("", "")
        detection, *rest = taken(processor)
        body = json.loads(detection.body)
        body["evidence"]["system"]["system"]["python_version"] = "its own"
        packages = body["evidence"]["software"]["packages"]
        body["evidence"]["software"]["packages"] = list(packages.items())[:1]  # ours; it has its own
        sent.append([detection._replace(body=_text(body)), *rest])
    assert [request.path for request in sent[0]] == ["/wandb/detection", "/wandb/metrics", "/wandb/logs"]
    assert sent[0] == sent[1]
