"""How the machine is used: what is measured, and under which run and step it goes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psutil
import pytest

from primus_lens_wandb_exporter.evidence import Collector
from primus_lens_wandb_exporter.payloads import LogCall
from primus_lens_wandb_exporter.system_metrics import MachineReader, Sampler

from .support.processor import Processor
from .support.scripts import ScriptRunner
from .support.wandb_file import find_files
from .support.worlds import world


def call(run_id: str, step: int) -> LogCall:
    return LogCall(run_id, 1.7e9, step, {"loss": 1.0}, {})


class Offered:
    """A sampler and what it has offered."""

    def __init__(self) -> None:
        self.samples: list[tuple[str, int, Mapping[str, float]]] = []
        self.collector = Collector(world(), seconds=5)
        self.newest: LogCall | None = None
        self.sampler = Sampler(psutil, self.collector, lambda: self.newest, self._take, 3600)

    def _take(self, run_id: str, step: int, sample: Mapping[str, float]) -> None:
        self.samples.append((run_id, step, sample))


def test_a_machine_tells_how_it_is_used() -> None:
    reader = MachineReader(psutil)
    reader.read()
    sample = reader.read()
    assert sum(name.startswith("primus_lens.system.cpu.") for name in sample) == psutil.cpu_count()
    for name in (
        "primus_lens.system.cpu_percent",
        "primus_lens.system.memory_percent",
        "primus_lens.system.memory_used_mib",
        "primus_lens.system.disk_percent",
        "primus_lens.system.network_received_mib_per_second",
        "primus_lens.system.network_sent_mib_per_second",
        "primus_lens.process.cpu_percent",
        "primus_lens.process.rss_mib",
        "primus_lens.process.threads",
    ):
        assert type(sample[name]) is float
    assert sample["primus_lens.process.rss_mib"] > 10
    assert sample["primus_lens.process.threads"] >= 1


def test_what_cannot_be_read_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError("/proc is hidden")

    for name in ("cpu_percent", "disk_io_counters", "Process"):
        monkeypatch.setattr(psutil, name, refuse)
    assert set(MachineReader(psutil).read()) == {
        "primus_lens.system.memory_percent",
        "primus_lens.system.memory_used_mib",
        "primus_lens.system.disk_percent",
    }


def test_the_first_reading_is_only_what_the_next_is_compared_with() -> None:
    offered = Offered()
    offered.sampler.follow("run")
    offered.sampler.perform()
    assert not offered.samples
    offered.sampler.perform()
    ((run_id, step, sample),) = offered.samples
    assert (run_id, step) == ("run", 0)
    assert "primus_lens.system.cpu_percent" in sample
    assert not offered.collector._patience._missing  # nobody hangs


def test_samples_go_to_the_run_that_logged_last_and_to_none_that_has_ended() -> None:
    offered = Offered()
    sampler = offered.sampler
    sampler.perform()
    assert not sampler._begun  # nobody to measure for
    for run_id, step in (("a", 3), ("b", 5)):
        sampler.follow(run_id)
        sampler.note_call(call(run_id, step))
    sampler.perform()
    sampler.perform()
    offered.newest = call("a", 4)
    sampler.perform()
    sampler.leave("a")
    sampler.note_call(call("a", 5))
    sampler.perform()
    sampler.leave("b")
    sampler.perform()
    assert [(run_id, step) for run_id, step, _ in offered.samples] == [("b", 5), ("a", 4), ("b", 5)]


def test_a_run_that_logs_nothing_is_measured_and_nothing_of_it_reaches_wandb_or_the_disk(
    scripts: ScriptRunner, processor: Processor
) -> None:
    scripts.run(
        """
        import time
        import wandb
        run = wandb.init()
        run.log({"loss": 1}, step=7)
        time.sleep(1.2)
        run.finish()
        time.sleep(0.5)
        """,
        environ={
            "PRIMUS_LENS_WANDB_ENHANCE_METRICS": "true",
            "PRIMUS_LENS_WANDB_SYSTEM_INTERVAL": "0.2",
            "PRIMUS_LENS_WANDB_OUTPUT_PATH": str(scripts.folder / "out"),
        },
    )
    series = processor.series("primus_lens.process.rss_mib")
    assert len(series) >= 2
    assert {step for step, _ in series} == {7}
    files = [*find_files(scripts.folder), *scripts.folder.glob("out/**/*.jsonl")]
    assert len(files) == 2
    for path in files:
        assert b"primus_lens" not in path.read_bytes()
