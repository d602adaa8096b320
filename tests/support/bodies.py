"""Complete bodies as the contract has them, for tests of whoever takes them."""

from __future__ import annotations

from typing import Any

NOW = 1.7e9
HEAD = {"source": "wandb", "workload_uid": "w", "pod_uid": "u", "pod_name": "p", "timestamp": NOW}


def point(name: str = "loss", value: float = 0.5, step: int = 0, **fields: Any) -> dict[str, Any]:
    """Return one point."""
    return {"name": name, "value": value, "step": step, "timestamp": NOW + step, "tags": {}, **fields}


def metrics(*points: dict[str, Any], **head: Any) -> dict[str, Any]:
    """Return a body of points."""
    return {**HEAD, "run_id": "r", "metrics": list(points), **head}


def logs(*data: dict[str, Any], **head: Any) -> dict[str, Any]:
    """Return a body of log entries, under the steps from 0 on."""
    entries = [{"step": step, "timestamp": NOW + step, "data": one} for step, one in enumerate(data)]
    return {**HEAD, "run_id": "r", "logs": entries, **head}


def detection(**evidence: Any) -> dict[str, Any]:
    """Return a detection record in which every field of the contract stands."""
    return {
        **HEAD,
        "namespace": "n",
        "type": "framework_detection_raw",
        "version": "1.0",
        "evidence": {
            "wandb": {
                "project": "vision",
                "name": "first",
                "id": "r",
                "config": {"lr": 0.1, "seed": 2**70},
                "tags": ["a"],
                "entity": "e",
                "group": "g",
                "job_type": "j",
            },
            "environment": {"RANK": "0"},
            "pytorch": {
                "available": True,
                "version": "2.4",
                "cuda_available": False,
                "detected_modules": {"megatron": False},
                "cuda_version": "12.4",
                "hip_version": "",
                "distributed": {"backend": "nccl", "world_size": 8},
            },
            "wrapper_frameworks": {
                "lightning": {"detected": True, "version": "2", "in_use": True, "base_framework": ""}
            },
            "base_frameworks": {"pytorch": {"detected": True, "version": "2.4"}},
            "system": {"compute.cpu_count": 8},
            "hardware": {
                "gpu_arch": "gfx942",
                "gpu_name": "MI300X",
                "rocm_version": "6.2",
                "cuda_version": "",
                "driver_version": "6",
                "gpu_count": 8,
                "gpu_count_host": 8,
                "gpu_memory_gb": 192.0,
                "gpus": [{"index": 0}],
            },
            "software": {"rocm_version": "6.2", "packages": {"torch": "2.4"}},
            "build": {"git_commit": "c"},
            "git": {"commit": "c", "branch": "main", "remote": "", "dirty": False},
            **evidence,
        },
        "hints": {
            "wrapper_frameworks": ["lightning"],
            "base_frameworks": ["pytorch"],
            "possible_frameworks": ["lightning", "pytorch"],
            "confidence": "high",
            "primary_indicators": ["modules.lightning"],
            "framework_layers": {"lightning": {"layer": "wrapper"}},
        },
    }
