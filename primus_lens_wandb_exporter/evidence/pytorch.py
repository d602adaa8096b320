"""PyTorch, if the process has loaded it; none of its functions is called."""

from __future__ import annotations

from typing import Any

from .probe import Probe, contents, plain_text

# The telemetry-processor looks for the first four.
_COMPANIONS = {
    "lightning": ("lightning.pytorch", "pytorch_lightning"),
    "deepspeed": ("deepspeed",),
    "megatron": ("megatron",),
    "transformers": ("transformers",),
    "accelerate": ("accelerate",),
    "composer": ("composer",),
    "nemo": ("nemo",),
    "peft": ("peft",),
    "ray": ("ray",),
    "torchtune": ("torchtune",),
    "trl": ("trl",),
    "verl": ("verl",),
    "fsdp": ("torch.distributed.fsdp",),
    "torch_compile": ("torch._dynamo",),
    "triton": ("triton",),
    "flash_attn": ("flash_attn",),
    "transformer_engine": ("transformer_engine",),
    "apex": ("apex",),
    "xformers": ("xformers",),
    "bitsandbytes": ("bitsandbytes",),
}


def collect(probe: Probe) -> dict[str, Any]:
    """Return version, build, what is loaded beside it, and its process group where there is one.

    `cuda_available` says whether CUDA is initialised: to ask whether it could be may poison a later
    fork.
    """
    if probe.module("torch") is None:
        return {"available": False, "version": "", "cuda_available": False, "detected_modules": {}}
    found = {
        "available": True,
        "version": probe.version_of("torch"),
        "cuda_available": probe.look_up("torch.cuda", "_initialized") is True,
        "cuda_version": plain_text(probe.look_up("torch.version", "cuda")),
        "hip_version": plain_text(probe.look_up("torch.version", "hip")),
        "detected_modules": {
            name: any(probe.module(module) is not None for module in modules)
            for name, modules in _COMPANIONS.items()
        },
    }
    distributed = _collect_distributed(probe)
    if distributed:
        found["distributed"] = distributed
    return found


def _collect_distributed(probe: Probe) -> dict[str, Any]:
    """Return backend and world size of the default process group, from torch's own tables."""
    home = "torch.distributed.distributed_c10d"
    group = contents(probe.look_up(home, "_world")).get("_default_pg")
    if group is None:
        return {}
    backend, *_ = (probe.look_up(home, "_pg_map") or {}).get(group) or ("",)
    ranks = (probe.look_up(home, "_pg_group_ranks") or {}).get(group) or ()
    return {"backend": plain_text(backend), "world_size": len(ranks)}
