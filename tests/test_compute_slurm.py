"""The Slurm job, and how its variables write counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence import Probe
from primus_lens_wandb_exporter.evidence.compute import slurm
from primus_lens_wandb_exporter.evidence.compute.cpus import count_cpus
from primus_lens_wandb_exporter.evidence.compute.slurm_counts import (
    count_at_node,
    count_gpus,
    count_indices,
    name_gpus,
    parse_memory,
)

from .support.properties import patient

JOB = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NAME": "train",
    "SLURM_JOB_NODELIST": "node[01-02]",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_CPUS_PER_TASK": "8",
    "SLURM_CPUS_ON_NODE": "64",
    "SLURM_MEM_PER_NODE": "65536",
    "SLURM_GPUS_PER_NODE": "a100:4",
    "SLURM_TASKS_PER_NODE": "4(x2)",
    "SLURM_JOB_PARTITION": "gpu",
    "SLURM_SUBMIT_DIR": "/home/u/run",
}


def test_a_job_is_described_by_what_is_set() -> None:
    assert slurm.describe_job(JOB) == {
        "job_id": "4711",
        "job_name": "train",
        "nodelist": "node[01-02]",
        "nodes": 2,
        "cpus_per_task": 8,
        "cpus_on_node": 64,
        "mem_per_node": 65536,
        "gpus_per_node": "a100:4",
        "tasks_per_node": "4(x2)",
        "partition": "gpu",
        "submit_dir": "/home/u/run",
    }


def test_outside_slurm_there_is_nothing_to_say() -> None:
    assert slurm.describe_job({"SLURM_CONF": "/etc/slurm.conf", "PATH": "/bin"}) == {}
    assert slurm.describe_job({"SUBMITIT_EXECUTOR": "local", "SUBMITIT_LOCAL_JOB_ID": "1"}) == {}


def test_the_older_names_are_understood() -> None:
    old = {"SLURM_JOBID": "1", "SLURM_NODELIST": "n1", "SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "2"}
    described = slurm.describe_job(old)
    assert described == {"job_id": "1", "nodelist": "n1", "nodes": 1, "tasks_per_node": 2}


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({}, None),
        ({"SUBMITIT_EXECUTOR": "slurm"}, "4711"),
        (
            {
                "SUBMITIT_EXECUTOR": "slurm",
                "SLURM_ARRAY_JOB_ID": "4700",
                "SLURM_ARRAY_TASK_ID": "3",
            },
            "4700_3",
        ),
        ({"SUBMITIT_EXECUTOR": "local", "SUBMITIT_LOCAL_JOB_ID": "77"}, "77"),
        ({"SUBMITIT_JOB_ID": "4600"}, "4600"),
    ],
)
def test_submitit_names_its_job(environ: dict[str, str], name: str | None) -> None:
    assert slurm.describe_job({**JOB, **environ}).get("submitit_job_id") == name


def test_text_of_the_job_is_short_and_without_credentials() -> None:
    described = slurm.describe_job(
        {"SLURM_JOB_NODELIST": "n" * 5000, "SLURM_JOB_NAME": "hf_" + "a" * 30, "SLURM_JOB_ID": "7"}
    )
    assert described["job_name"] == "[redacted]"
    assert len(str(described["nodelist"])) == 1024


@pytest.mark.parametrize(
    ("text", "node", "count"),
    [
        ("16", 0, 16),
        ("16(x2)", 0, 16),
        ("16(x2)", 1, 16),
        ("16(x2),8", 2, 8),
        ("16(x2),8", 3, 16),
        ("8,16(x3)", 1, 16),
        (" 4 , 2 ", 1, 2),
        ("16(x999999)", 123456, 16),
        ("", 0, 0),
        ("0", 0, 0),
        ("16(x)", 0, 0),
        ("16(x2", 0, 0),
        ("sixteen", 0, 0),
        ("16,", 0, 0),
        ("-4", 0, 0),
        ("٣", 0, 0),
        ("9" * 5000, 0, 0),
    ],
)
def test_a_list_of_counts_gives_each_node_its_own(text: str, node: int, count: int) -> None:
    assert count_at_node(text, node) == count


@patient
@given(st.lists(st.tuples(st.integers(1, 512), st.integers(1, 9)), min_size=1), st.data())
def test_a_list_of_counts_means_what_it_says_written_out(
    entries: list[tuple[int, int]], data: st.DataObject
) -> None:
    written_out = [count for count, times in entries for _ in range(times)]
    node = data.draw(st.integers(0, len(written_out) - 1))
    text = ",".join(f"{count}(x{times})" if times > 1 else f"{count}" for count, times in entries)
    assert count_at_node(text, node) == written_out[node]


@pytest.mark.parametrize(
    ("text", "count", "types"),
    [
        ("4", 4, ""),
        ("a100:4", 4, "a100"),
        ("gpu:4", 4, ""),
        ("gpu:a100:4", 4, "a100"),
        ("gpu:a100:2,gpu:v100:1", 3, "a100, v100"),
        ("gpu:mi300x:8(S:0-1)", 8, "mi300x"),
        ("", 0, ""),
        ("a100", 0, ""),
        ("a100:many", 0, ""),
        ("a:b:c:4", 0, ""),
    ],
)
def test_a_request_for_gpus_says_how_many_and_which(text: str, count: int, types: str) -> None:
    assert (count_gpus(text), name_gpus(text)) == (count, types)


@patient
@given(st.text(st.sampled_from("0123456789(x),:-agpu \n\0\u0663"), max_size=60), st.integers(0, 99))
def test_garbled_counts_never_raise(text: str, node: int) -> None:
    for count in (count_at_node(text, node), count_gpus(text), count_indices(text), parse_memory(text)):
        assert count >= 0
    environ = dict.fromkeys((*JOB, "SLURM_NODEID", "SLURM_GPUS_ON_NODE", "SLURM_JOB_GPUS"), text)
    assert slurm.count_cpus(environ) >= 0
    assert slurm.measure_memory(environ) >= 0
    assert slurm.count_job_gpus(environ) >= 0
    json.dumps(slurm.describe_job(environ))


@pytest.mark.parametrize(
    ("environ", "count"),
    [
        ({"SLURM_CPUS_PER_TASK": "8", "SLURM_CPUS_ON_NODE": "64"}, 8),
        ({"SLURM_CPUS_ON_NODE": "64"}, 64),
        ({"SLURM_CPUS_ON_NODE": "16(x2)"}, 16),
        ({"SLURM_CPUS_ON_NODE": "16(x2),8", "SLURM_NODEID": "2"}, 8),
        ({"SLURM_JOB_CPUS_PER_NODE": "16(x2),8", "SLURM_NODEID": "2"}, 8),
        ({"SLURM_CPUS_PER_TASK": "many", "SLURM_CPUS_ON_NODE": "64", "SLURM_NODEID": "x"}, 64),
        ({"SLURM_CPUS_PER_TASK": "0"}, 24),
        ({}, 24),
    ],
)
def test_cpus_are_those_of_the_task_then_of_the_job_on_this_node(
    tmp_path: Path, environ: dict[str, str], count: int
) -> None:
    (tmp_path / "sys/devices/system/cpu").mkdir(parents=True)
    (tmp_path / "sys/devices/system/cpu/online").write_text("0-23\n")
    assert count_cpus(Probe(environ=environ, root=str(tmp_path))) == count
