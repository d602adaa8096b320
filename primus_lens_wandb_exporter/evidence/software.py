"""Versions of the software that decides how a training runs."""

from __future__ import annotations

from typing import Any

from .probe import Probe, normal_name, plain_text

# By the names of the distributions, not of the modules.
PACKAGES = tuple(
    """
    torch torchvision torchaudio torchao torchtune torchtitan torchdata torchelastic pytorch-triton
    pytorch-triton-rocm triton numpy scipy
    lightning pytorch-lightning lightning-fabric transformers accelerate datasets tokenizers safetensors
    huggingface-hub peft trl diffusers sentence-transformers timm evaluate optimum bitsandbytes
    deepspeed megatron-core megatron-lm nemo-toolkit mosaicml composer llm-foundry fairscale colossalai
    ray verl openrlhf axolotl unsloth llamafactory
    jax jaxlib jax-rocm7-plugin jax-rocm60-plugin jax-cuda12-plugin flax optax orbax-checkpoint maxtext
    tensorflow tensorflow-rocm keras
    flash-attn flash-attn-3 xformers transformer-engine apex vllm sglang liger-kernel aiter grouped-gemm
    primus primus-turbo primus-lens-wandb-exporter
    amdsmi nvidia-ml-py nvidia-nccl-cu11 nvidia-nccl-cu12 nvidia-nccl-cu13 nvidia-cudnn-cu11
    nvidia-cudnn-cu12 nvidia-cudnn-cu13 nvidia-cublas-cu12 mpi4py
    wandb hydra-core omegaconf mlflow tensorboard
    """.split()
)

_ROCM_VERSION = "/opt/rocm/.info/version"
_LONGEST = 64  # characters of a version


def collect(probe: Probe) -> dict[str, Any]:
    """Return the ROCm version, if any, and the versions of the installed packages that matter.

    `rocm_version` is that of the image (`/opt/rocm/.info/version`, written by the package rocm-core),
    else the one that a loaded torch was built for. Installed is not loaded: a package may never be used.
    """
    found: dict[str, Any] = {"packages": _collect_packages(probe)}
    rocm = (probe.read_text(_ROCM_VERSION, 256) or "").strip().partition("\n")[0]
    rocm = (rocm or plain_text(probe.look_up("torch.version", "hip")))[:_LONGEST]
    return {"rocm_version": rocm, **found} if rocm else found


def _collect_packages(probe: Probe) -> dict[str, str]:
    installed = probe.packages
    names = ((name, installed.get(normal_name(name))) for name in PACKAGES)
    return {name: version[:_LONGEST] for name, version in names if version}
