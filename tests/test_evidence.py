"""A detection record: what a made-up world says of itself, and that looking leaves no trace."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from primus_lens_wandb_exporter import evidence, guard, payloads
from primus_lens_wandb_exporter.evidence import Collector, Probe, environment
from primus_lens_wandb_exporter.evidence.redaction import looks_secret
from primus_lens_wandb_exporter.evidence.run import describe
from primus_lens_wandb_exporter.hints import build_hints
from primus_lens_wandb_exporter.settings import Settings

from .support import contract
from .support.delivery import wait_until
from .support.worlds import module, world

RUN = {
    "project": "p",
    "name": "n",
    "id": "run-1",
    "entity": "",
    "group": "g",
    "job_type": "train",
    "config": {"lr": 0.1},
    "tags": ["a"],
}


def test_only_allow_listed_variables_are_collected() -> None:
    probe = world(
        RANK="3",
        CUDA_VISIBLE_DEVICES="",
        PRIMUS_CONFIG="/exp.yaml",
        WANDB_API_KEY="k",
        HF_TOKEN="t",
        SLURM_JWT="j",
        PET_RDZV_CONF="password=p",
        AWS_SECRET_ACCESS_KEY="s",
        RANKS="not this",
        rank="nor this",
        PATH="/bin",
    )
    assert environment.collect(probe) == {
        "CUDA_VISIBLE_DEVICES": "",
        "PRIMUS_CONFIG": "/exp.yaml",
        "RANK": "3",
    }


def test_a_long_variable_is_cut() -> None:
    (value,) = environment.collect(world(CUDA_VISIBLE_DEVICES="0," * 10_000)).values()
    assert len(value) == 1024


def test_no_allowed_name_is_the_name_of_a_secret() -> None:
    assert not [name for name in environment.ALLOWED if looks_secret(name)]


def test_looking_at_this_process_leaves_no_trace() -> None:
    modules, environ, threads = set(sys.modules), dict(os.environ), set(threading.enumerate())
    Collector(seconds=60).collect(RUN)
    assert not [name for name in set(sys.modules) - modules if not name.startswith("primus_lens")]
    wait_until(lambda: not set(threading.enumerate()) - threads)
    assert dict(os.environ) == environ


def record(probe: Probe) -> dict[str, Any]:
    """Return the detection record of a world, checked."""
    found = Collector(probe, seconds=60).collect(RUN)
    settings = Settings(workload_uid="workload-1")
    envelope = payloads.detection_envelope(settings, found, build_hints(found), 1.7e9)
    return contract.check(envelope.path, envelope.body())


@pytest.mark.parametrize(
    "probe",
    [
        Probe(),
        world(),
        world(
            module("torch", __version__="2.9.0"),
            module("torch.cuda", _initialized=False),
            module("deepspeed", __version__=(0, 1)),
            RANK="0",
            SLURM_JOB_ID="7",
            CUDA_VISIBLE_DEVICES="0,1",
        ),
        world(module("primus", __version__=None), PRIMUS_CONFIG="c", JAX_BACKEND="gpu"),
    ],
    ids=["this process", "an empty one", "torch", "primus"],
)
def test_a_detection_record_keeps_the_contract(probe: Probe) -> None:
    found = record(probe)["evidence"]
    assert {name: found["wandb"][name] for name in RUN} == RUN
    assert {"environment", "pytorch", "system", "hardware", "software"} <= found.keys()


SOURCES = {
    "environment": "environment.collect",
    "pytorch": "pytorch.collect",
    "wrapper_frameworks": "frameworks.collect",
    "hardware": "hardware.describe",
    "system": "describe_compute",
    "software": "software.collect",
    "build": "build.collect",
}


@pytest.fixture
def over() -> Iterator[threading.Event]:
    """Set when the test ends, for what hangs in it."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize("fault", ["raises", "hangs", "garbage", "a garbage field"])
@pytest.mark.parametrize("field", SOURCES)
def test_a_source_that_is_sick_costs_its_own_field_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event, field: str, fault: str
) -> None:
    monkeypatch.setattr(guard, "reraise", False)
    monkeypatch.setattr(guard, "internal_errors", 0)
    healthy = Collector(world(RANK="1"), seconds=60).collect(RUN)

    def sick(*args: Any) -> Any:
        if fault == "raises":
            raise RuntimeError("sick")
        if fault == "hangs":
            over.wait()
        return {"wrapper_frameworks": 7, "odd": object()} if fault == "a garbage field" else ["garbage"]

    path = SOURCES[field].split(".")
    owner = evidence if len(path) == 1 else getattr(evidence, path[0])
    monkeypatch.setattr(owner, path[-1], sick)
    collector = Collector(world(RANK="1"), seconds=0.2 if fault == "hangs" else 60)
    found = collector.collect(RUN)
    lost = {field, "base_frameworks"} if field == "wrapper_frameworks" else {field}
    for name in healthy:
        if name not in lost:
            assert found[name] == healthy[name]
    contract.check_evidence(json.loads(json.dumps(found)), complete=False)
    if fault == "raises":
        assert guard.internal_errors == 1
    if fault == "hangs":
        assert guard.internal_errors == 0


def test_what_cannot_change_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    inventory = evidence.take_inventory
    monkeypatch.setattr(evidence, "take_inventory", lambda probe: (asked.append(1), inventory(probe))[1])
    collector = Collector(world(), seconds=60)
    for _ in range(3):
        collector.collect(RUN)
    assert len(asked) == 1


def test_small_files_are_read_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys" / "name").write_bytes(b"gfx942\xff" + b"x" * 100)
    probe = Probe(root=str(tmp_path))
    assert probe.read_text("/sys/name", limit=8) == "gfx942\ufffdx"
    assert probe.read_text("/sys/missing") is None
    assert probe.read_text("/sys") is None
    assert probe.list_folder("/sys") == ["name"]
    assert probe.list_folder("/proc") == []
    assert probe.read_text("/sys/\0") is None
    assert probe.list_folder("/sys/\0") == []


def test_installed_packages_are_known_by_the_names_of_folders(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (
        first / "torch-2.9.0+rocm6.4.dist-info",
        second / "torch-1.0.dist-info",
        second / "Nemo_Toolkit-2.4.0.dist-info",
        second / "old.style-0.3-py3.9.egg-info",
        second / "no_version.egg-info",
        second / "module",
    ):
        folder.mkdir(parents=True)
    probe = Probe(search_path=[str(first), str(tmp_path / "gone"), str(second)])
    assert probe.packages == {
        "torch": "2.9.0+rocm6.4",
        "nemo-toolkit": "2.4.0",
        "old-style": "0.3",
    }


def test_a_run_is_described_by_what_it_says_of_itself() -> None:
    run = SimpleNamespace(
        project=lambda: "odd", id="run-1", config={"lr": 0.1}, tags=("a", 1), group=None
    )
    described = describe(run)
    assert (described["id"], described["name"], described["group"]) == ("run-1", "", "")
    assert described["tags"] == ["a", "1"]
    assert described["config"] == {"lr": 0.1}


def test_no_secret_of_a_run_is_among_the_evidence() -> None:
    run = {
        **RUN,
        "config": {"api_key": "hunter2", "deep": [{"password": "hunter2"}]},
        "tags": ["hf_" + "a" * 30],
    }
    found = json.dumps(Collector(world(), seconds=60).collect(run))
    assert "hunter2" not in found
    assert "hf_a" not in found
    assert found.count("[redacted]") >= 3


def test_gpus_that_are_not_known_are_not_said_to_be_none(
    monkeypatch: pytest.MonkeyPatch, over: threading.Event
) -> None:
    genuine = evidence.take_inventory

    def slow(probe: Probe) -> Any:
        over.wait()
        return genuine(probe)

    monkeypatch.setattr(evidence, "take_inventory", slow)
    collector = Collector(world(), seconds=0.2)
    found = collector.collect(RUN)
    assert "hardware" not in found
    assert not [name for name in found["system"] if name.startswith("compute.gpu")]
    over.set()
    wait_until(lambda: collector.has_late_answers)
    found = collector.collect(RUN)
    assert found["hardware"]["gpu_count"] == found["system"]["compute.gpu_count"] == 0


def test_a_config_that_is_too_large_costs_nothing_but_its_end() -> None:
    run = {**RUN, "config": {f"value{i}": i for i in range(3000)}, "tags": ["a"]}
    found = Collector(world(), seconds=60).collect(run)["wandb"]
    assert found["tags"] == ["a"]
    assert found["config"]["[cut]"] is True


def test_all_sources_together_have_an_end(over: threading.Event) -> None:
    collector = Collector(world(), seconds=0.1)
    asked = []

    def hang() -> None:
        asked.append(1)
        over.wait()

    collector._in_all = 0.25
    collector._collect = lambda run: {str(i): collector.ask(str(i), hang) for i in range(50)}  # type: ignore[method-assign]
    assert collector.collect(RUN) == {}
    assert collector._ends == 0
