"""When a detection record is made: when a run begins, and when a framework comes in later."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from primus_lens_wandb_exporter.detection import Detection, Detector
from primus_lens_wandb_exporter.evidence import Collector, Probe
from primus_lens_wandb_exporter.settings import Settings

from .support import contract
from .support.processor import Processor
from .support.runs import StandInRun
from .support.scripts import ScriptRunner
from .support.worlds import module


class Scene:
    """A detector that looks whenever it is told to, at modules that come and go."""

    def __init__(self) -> None:
        self.modules: dict[str, ModuleType] = {}
        self.waiting: list[Detection] = []
        self.records: list[dict[str, Any]] = []
        probe = Probe(environ={}, modules=self.modules, root="/nowhere", search_path=())
        self.detector = Detector(
            Settings(workload_uid="w"), Collector(probe, seconds=60), self.waiting.append, 3600
        )

    def load(self, *names: str, **attributes: Any) -> None:
        self.modules.update({name: module(name, **attributes) for name in names})

    def look(self) -> None:
        """Let the worker look twice, for what lasts, and pack what waits."""
        for _ in range(2):
            self.detector.perform()
        self.pack()

    def pack(self) -> None:
        packed = self.detector.pack(self.waiting[:])
        self.waiting.clear()
        self.records += [contract.check(envelope.path, envelope.body()) for envelope in packed]

    @property
    def said(self) -> list[tuple[str, list[str]]]:
        return [
            (record["evidence"]["wandb"]["id"], record["hints"]["possible_frameworks"])
            for record in self.records
        ]


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_run_is_recorded_once_while_nothing_new_is_loaded(scene: Scene) -> None:
    scene.load("torch")
    scene.detector.meet(run := StandInRun("r"))
    scene.pack()
    scene.look()
    scene.detector.look_for_the_last_time()
    scene.pack()
    assert scene.said == [("r", ["pytorch"])]
    del run


def test_a_framework_that_is_loaded_later_is_told_in_another_record(scene: Scene) -> None:
    run = StandInRun("r", lr=1)
    scene.detector.meet(run)
    scene.pack()
    scene.load("torch", "lightning", "lightning.pytorch")
    run.config["late"] = 2
    scene.look()
    scene.look()
    assert scene.said == [("r", []), ("r", ["lightning", "pytorch"])]
    assert [record["evidence"]["wandb"]["config"] for record in scene.records] == [
        {"lr": 1},
        {"lr": 1, "late": 2},
    ]


def test_what_has_just_come_in_may_bring_in_more_and_is_waited_for(scene: Scene) -> None:
    run = StandInRun("r")
    scene.detector.meet(run)
    scene.pack()
    scene.load("torch")
    scene.detector.perform()
    scene.load("lightning.pytorch")
    scene.detector.perform()
    assert not scene.waiting
    scene.detector.perform()
    scene.pack()
    assert scene.said == [("r", []), ("r", ["lightning", "pytorch"])]


def test_a_framework_in_the_middle_of_its_import_is_waited_for(scene: Scene) -> None:
    run = StandInRun("r")
    scene.detector.meet(run)
    scene.pack()
    spec = SimpleNamespace(_initializing=True)
    scene.load("torch", __spec__=spec)
    scene.look()
    assert len(scene.records) == 1
    spec._initializing = False
    scene.look()
    assert len(scene.records) == 2


def test_before_the_end_there_is_no_time_to_wait(scene: Scene) -> None:
    run = StandInRun("r")
    scene.detector.meet(run)
    scene.pack()
    scene.load("torch")
    scene.detector.look_for_the_last_time()
    scene.detector.look_for_the_last_time()
    scene.pack()
    assert scene.said == [("r", []), ("r", ["pytorch"])]


def test_a_run_has_three_records_at_most(scene: Scene) -> None:
    run = StandInRun("r")
    scene.detector.meet(run)
    scene.pack()
    for name in ("torch", "deepspeed", "lightning.pytorch", "trl", "jax"):
        scene.load(name)
        scene.look()
    assert [frameworks for _, frameworks in scene.said] == [[], ["pytorch"], ["deepspeed"]]


def test_each_open_run_gets_its_own_record_and_a_finished_one_none(scene: Scene) -> None:
    runs = [StandInRun(name) for name in "abc"]
    for run in runs:
        scene.detector.meet(run)
    scene.detector.conclude("b")
    scene.pack()
    scene.load("torch")
    scene.look()
    assert scene.said == [("a", []), ("b", []), ("c", []), ("a", ["pytorch"]), ("c", ["pytorch"])]


def test_a_run_in_the_middle_of_a_change_is_described_as_before(scene: Scene) -> None:
    class Changing(dict[str, Any]):
        def keys(self) -> Any:
            raise RuntimeError("dictionary changed size during iteration")

    run = StandInRun("r", lr=1)
    scene.detector.meet(run)
    scene.pack()
    run.config = Changing()
    scene.load("torch")
    scene.look()
    assert scene.records[1]["evidence"]["wandb"]["config"] == {"lr": 1}


def test_a_run_that_is_gone_is_described_as_before(scene: Scene) -> None:
    scene.detector.meet(StandInRun("r", lr=1))
    scene.pack()
    scene.load("torch")
    scene.look()
    assert scene.records[1]["evidence"]["wandb"]["config"] == {"lr": 1}


def test_a_framework_that_a_script_imports_after_init_is_in_another_record(
    scripts: ScriptRunner, processor: Processor
) -> None:
    (scripts.folder / "deepspeed.py").write_text('__version__ = "0.17.1"\n')
    scripts.run(
        """
        import time
        import wandb
        from primus_lens_wandb_exporter.api_reporter import get_global_reporter
        run = wandb.init()
        assert get_global_reporter().flush(30)
        import deepspeed
        time.sleep(0.6)
        run.finish()
        second = wandb.init()
        second.log({"loss": 2})
        second.finish()
        """,
        environ={"PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.1"},
    )
    named = [record["hints"]["base_frameworks"] for record in processor.detections]
    assert named == [[], ["deepspeed"], ["deepspeed"]]
    first, updated, second = (record["evidence"]["wandb"]["id"] for record in processor.detections)
    assert first == updated != second


def test_a_framework_that_comes_in_right_before_the_end_is_told_too(
    scripts: ScriptRunner, processor: Processor
) -> None:
    (scripts.folder / "deepspeed.py").write_text("")
    scripts.run("import wandb\nrun = wandb.init()\nimport deepspeed\n")
    assert processor.detections[-1]["hints"]["base_frameworks"] == ["deepspeed"]


def test_torch_is_told_of_and_left_alone(scripts: ScriptRunner, processor: Processor) -> None:
    pytest.importorskip("torch")
    scripts.run(
        """
        import os
        import torch
        import wandb
        run = wandb.init()
        run.log({"loss": torch.tensor(1.5)})
        run.finish()
        assert not torch.cuda.is_initialized()
        child = os.fork()
        if not child:
            os._exit(torch.cuda._is_in_bad_fork())
        assert os.waitpid(child, 0)[1] == 0
        """
    )
    (record,) = processor.detections
    assert record["evidence"]["pytorch"]["available"] is True
    assert record["evidence"]["pytorch"]["cuda_available"] is False
    assert record["hints"]["base_frameworks"] == ["pytorch"]


def test_a_run_that_is_resumed_has_had_its_first_record_and_may_have_more(scene: Scene) -> None:
    run = StandInRun("r")
    scene.load("torch")
    scene.detector.meet(run)
    scene.pack()
    scene.detector.conclude("r")
    scene.detector.meet(run, resumed=True)
    scene.look()
    scene.load("deepspeed")
    scene.look()
    assert scene.said == [("r", ["pytorch"]), ("r", ["deepspeed"])]
