"""The Slurm job, by its environment variables (sbatch(1), srun(1): output environment variables)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ..redaction import safe_text
from .slurm_counts import count_at_node, count_gpus, count_indices, name_gpus, parse_memory

_TEXTS = {
    "job_id": ("SLURM_JOB_ID", "SLURM_JOBID"),
    "job_name": ("SLURM_JOB_NAME",),
    "nodelist": ("SLURM_JOB_NODELIST", "SLURM_NODELIST"),
    "partition": ("SLURM_JOB_PARTITION", "SLURM_PARTITION"),
    "submit_dir": ("SLURM_SUBMIT_DIR",),
}
_COUNTS = {
    "nodes": ("SLURM_JOB_NUM_NODES", "SLURM_NNODES"),
    "cpus_per_task": ("SLURM_CPUS_PER_TASK",),
    "cpus_on_node": ("SLURM_CPUS_ON_NODE",),
    "mem_per_node": ("SLURM_MEM_PER_NODE",),
    "mem_per_cpu": ("SLURM_MEM_PER_CPU",),
    "gpus_per_node": ("SLURM_GPUS_PER_NODE",),
    "tasks_per_node": ("SLURM_TASKS_PER_NODE", "SLURM_NTASKS_PER_NODE"),
}
_NUMBER = re.compile(r"[0-9]{1,15}")
_LONGEST = 1024  # characters of one value


def describe_job(environ: Mapping[str, str]) -> dict[str, str | int]:
    """Return what is known of the job, nothing outside Slurm.

    Names and ids are text; counts and memory (MiB) are numbers where they are plain ones, else the text
    as it stands (`16(x2)`, `a100:4`). `submitit_job_id` is the job as submitit names it.
    """
    job: dict[str, str | int] = {}
    for field, names in {**_TEXTS, **_COUNTS}.items():
        text = _first(environ, *names)
        if text:
            plain = field in _COUNTS and _NUMBER.fullmatch(text)
            job[field] = int(text) if plain else safe_text(text, _LONGEST)
    submitted = _name_submitit_job(environ) if job else ""
    if submitted:
        job["submitit_job_id"] = safe_text(submitted, _LONGEST)
    return job


def count_cpus(environ: Mapping[str, str]) -> int:
    """Return the CPUs of this task, else of the job on this node; 0 if Slurm does not say."""
    return count_at_node(environ.get("SLURM_CPUS_PER_TASK", ""), 0) or _count_cpus_on_node(environ)


def measure_memory(environ: Mapping[str, str]) -> int:
    """Return the job's memory on this node in bytes; 0 if Slurm does not say or gives all there is."""
    per_node = parse_memory(environ.get("SLURM_MEM_PER_NODE", ""))
    per_cpu = parse_memory(environ.get("SLURM_MEM_PER_CPU", ""))
    per_gpu = parse_memory(environ.get("SLURM_MEM_PER_GPU", ""))
    cpus = _count_cpus_on_node(environ) or count_cpus(environ) * _count_tasks_on_node(environ)
    return per_node or per_cpu * cpus or per_gpu * count_job_gpus(environ)


def count_job_gpus(environ: Mapping[str, str]) -> int:
    """Return the GPUs of the step or job on this node; 0 if Slurm does not say."""
    return (
        count_at_node(environ.get("SLURM_GPUS_ON_NODE", ""), 0)
        or count_indices(_first(environ, "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"))
        or count_gpus(environ.get("SLURM_GPUS_PER_NODE", ""))
    )


def name_gpu_type(environ: Mapping[str, str]) -> str:
    """Return the type of GPU that the job asked for, empty if it named none."""
    return name_gpus(environ.get("SLURM_GPUS_PER_NODE", ""))


def _count_tasks_on_node(environ: Mapping[str, str]) -> int:
    return count_at_node(environ.get("SLURM_NTASKS_PER_NODE", ""), 0) or 1


def _count_cpus_on_node(environ: Mapping[str, str]) -> int:
    node = environ.get("SLURM_NODEID", "")
    index = int(node) if _NUMBER.fullmatch(node) else 0
    return count_at_node(_first(environ, "SLURM_CPUS_ON_NODE", "SLURM_JOB_CPUS_PER_NODE"), index)


def _name_submitit_job(environ: Mapping[str, str]) -> str:
    # submitit names a Slurm job by Slurm's own variables, an array's by two of them; its plugins and the
    # launchers of others set a variable.
    named = _first(environ, "SUBMITIT_JOB_ID", "SUBMITIT_LOCAL_JOB_ID")
    if named or environ.get("SUBMITIT_EXECUTOR") != "slurm":
        return named
    array, task = environ.get("SLURM_ARRAY_JOB_ID"), environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environ.get("SLURM_JOB_ID", "")


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((environ[name] for name in names if environ.get(name)), "")
