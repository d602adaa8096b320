"""PyTorch, if the process has loaded it; no `torch.cuda` function is called."""

from __future__ import annotations

from typing import Any

from .probe import Probe, plain_text

_COMPANIONS = (
    "accelerate",
    "deepspeed",
    "lightning",
    "megatron",
    "pytorch_lightning",
    "transformers",
)


def collect(probe: Probe) -> dict[str, Any]:
    """Return version and build. `cuda_available` says whether CUDA is initialised, never asks for it."""
    torch = probe.module("torch")
    if torch is None:
        return {"available": False, "version": "", "cuda_available": False, "detected_modules": {}}
    cuda = probe.module("torch.cuda")
    build = probe.module("torch.version")
    return {
        "available": True,
        "version": probe.version_of("torch"),
        "cuda_available": bool(cuda is not None and vars(cuda).get("_initialized", False)),
        "cuda_version": plain_text(vars(build).get("cuda")) if build else "",
        "hip_version": plain_text(vars(build).get("hip")) if build else "",
        "detected_modules": {name: probe.module(name) is not None for name in _COMPANIONS},
    }
