"""The compute metadata as a whole: its fields, its GPUs, and that looking leaves no trace."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

import primus_lens_wandb_exporter
from primus_lens_wandb_exporter import guard
from primus_lens_wandb_exporter.evidence import Probe, compute
from primus_lens_wandb_exporter.evidence.compute import describe_compute, summary_line
from primus_lens_wandb_exporter.evidence.compute.gpus import describe_gpus
from primus_lens_wandb_exporter.evidence.compute.system import name_user


class Gpu(NamedTuple):
    """As the inventory has them."""

    index: int  # type: ignore[assignment]
    name: str = "AMD Instinct MI300X"
    memory_bytes: int = 192 * 2**30
    major: int = 9
    minor: int = 4
    multi_processors: int = 304


TWO = (Gpu(0), Gpu(1))


def test_the_metadata_have_these_fields_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text(f"MemTotal: {96 << 20} kB\n")
    probe = Probe(environ={"SLURM_CPUS_PER_TASK": "8", "USER": "u"}, root=str(tmp_path))
    metadata = describe_compute(probe, {"debug": True}, TWO)
    system = metadata.pop("system")
    assert list(system) == ["platform", "python_version", "hostname", "user"]
    assert all(type(value) is str and value for value in system.values())
    gpu = {
        "name": "AMD Instinct MI300X",
        "total_memory_gb": 192.0,
        "major": 9,
        "minor": 4,
        "multi_processor_count": 304,
    }
    assert metadata == {
        "compute.cpu_count": 8,
        "compute.cpu_architecture": os.uname().machine,
        "compute.gpu_count": 2,
        "compute.gpu_type": "AMD Instinct MI300X",
        "compute.gpus": [{"index": 0, **gpu}, {"index": 1, **gpu}],
        "compute.memory_gb": 96.0,
        "slurm": {"cpus_per_task": 8},
        "model": {},
        "runtime": {"debug": True},
    }


def test_looking_at_this_process_imports_starts_and_changes_nothing() -> None:
    modules, threads, environ = set(sys.modules), threading.active_count(), dict(os.environ)
    metadata = describe_compute(Probe())
    assert not [name for name in set(sys.modules) - modules if not name.startswith("primus_lens")]
    assert (threading.active_count(), dict(os.environ)) == (threads, environ)
    assert metadata["compute.cpu_count"] >= 1
    assert json.loads(json.dumps(metadata, allow_nan=False)) == metadata


def test_a_part_that_fails_is_left_out_and_the_rest_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "reraise", False)
    monkeypatch.setattr(guard, "internal_errors", 0)
    monkeypatch.setattr(compute, "count_cpus", lambda probe: 1 / 0)
    metadata = describe_compute(Probe(environ={}))
    assert "compute.cpu_count" not in metadata
    assert metadata["slurm"] == {}
    assert guard.internal_errors == 1


@pytest.mark.parametrize(
    ("environ", "seen", "count"),
    [
        ({}, 0, 0),
        ({}, 8, 8),
        ({"SLURM_GPUS_ON_NODE": "4"}, 0, 4),
        ({"SLURM_GPUS_ON_NODE": "4"}, 8, 4),
        ({"SLURM_GPUS_ON_NODE": "8"}, 2, 2),
        ({"SLURM_STEP_GPUS": "0-3"}, 0, 4),
        ({"SLURM_JOB_GPUS": "0,2,5"}, 0, 3),
        ({"SLURM_GPUS_PER_NODE": "gpu:a100:4"}, 0, 4),
        ({"SLURM_GPUS_PER_NODE": "some"}, 8, 8),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_GPUS_ON_NODE": "8"}, 2, 2),
        ({"CUDA_VISIBLE_DEVICES": "0,1", "SLURM_GPUS_ON_NODE": "8"}, 0, 2),
        ({"CUDA_VISIBLE_DEVICES": "", "SLURM_GPUS_ON_NODE": "8"}, 0, 0),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, 0, 0),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, 0, 0),
        ({"CUDA_VISIBLE_DEVICES": "1,0,-1,2"}, 0, 2),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8f3,MIG-0a1"}, 0, 2),
        ({"ROCR_VISIBLE_DEVICES": "0,1,2,3", "HIP_VISIBLE_DEVICES": "0,1"}, 0, 2),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, 0, 0),
        ({"NVIDIA_VISIBLE_DEVICES": "void", "SLURM_GPUS_ON_NODE": "2"}, 0, 2),
        ({"NVIDIA_VISIBLE_DEVICES": "0,1,2"}, 0, 3),
    ],
)
def test_gpus_are_counted_by_what_is_trusted_most(
    environ: dict[str, str], seen: int, count: int
) -> None:
    gpus = [Gpu(index) for index in range(seen)]
    assert describe_gpus(environ, gpus)["compute.gpu_count"] == count


def test_variables_that_name_none_of_the_gpus_on_the_host_leave_none() -> None:
    environ = {"CUDA_VISIBLE_DEVICES": "7,8"}
    assert describe_gpus(environ, [], host_count=4)["compute.gpu_count"] == 0
    assert describe_gpus(environ, [])["compute.gpu_count"] == 2


@pytest.mark.parametrize(
    ("gpus", "environ", "name"),
    [
        ((), {}, ""),
        (TWO, {"SLURM_GPUS_PER_NODE": "mi300x:2"}, "AMD Instinct MI300X"),
        ((Gpu(0, "A"), Gpu(1, "B"), Gpu(2, "A")), {}, "A, B"),
        ((), {"SLURM_GPUS_PER_NODE": "gpu:a100:4"}, "a100"),
        ((Gpu(0, ""),), {}, ""),
    ],
)
def test_the_type_is_the_inventorys_then_slurms(
    gpus: tuple[Gpu, ...], environ: dict[str, str], name: str
) -> None:
    assert describe_gpus(environ, gpus)["compute.gpu_type"] == name


def test_what_is_not_known_of_a_gpu_is_left_out() -> None:
    (described,) = describe_gpus({}, [Gpu(0, "N", 0, 0, 0, 0)])["compute.gpus"]
    assert described == {"index": 0, "name": "N"}


@pytest.mark.parametrize(
    ("environ", "uid", "name"),
    [
        ({"LOGNAME": "ann", "USER": "ben"}, 1000, "ann"),
        ({"LOGNAME": "", "USER": "ben"}, 1000, "ben"),
        ({}, 1000, "carl"),
        ({}, 4242, "uid 4242"),
    ],
)
def test_a_user_has_a_name_even_where_nobody_knows_it(
    tmp_path: Path, environ: dict[str, str], uid: int, name: str
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text("root:x:0:0::/:\n:x:4242:\ngarbled\ncarl:x:1000:100::/:\n")
    assert name_user(Probe(environ=environ, root=str(tmp_path)), uid) == name


@pytest.mark.parametrize(
    ("cpus", "gpus", "line"),
    [
        (8, 4, "✓ Logged compute metadata: 8 CPUs, 4 GPUs"),
        (1, 1, "✓ Logged compute metadata: 1 CPU, 1 GPU"),
        (2, 0, "✓ Logged compute metadata: 2 CPUs, 0 GPUs"),
    ],
)
def test_one_line_sums_it_up(cpus: int, gpus: int, line: str) -> None:
    assert summary_line({"compute.cpu_count": cpus, "compute.gpu_count": gpus}) == line
    assert summary_line({}) == "✓ Logged compute metadata: 0 CPUs, 0 GPUs"


def test_the_metadata_can_be_had_from_the_package() -> None:
    pytest.importorskip("primus_lens_wandb_exporter.evidence.gpu")
    metadata = primus_lens_wandb_exporter.collect_compute_metadata({"model": object(), "debug": True})
    assert metadata["compute.cpu_count"] == describe_compute(Probe())["compute.cpu_count"]
    assert metadata["runtime"] == {"debug": True}
    json.dumps(metadata)
