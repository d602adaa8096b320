"""Versions of the software that decides how a training runs."""

from __future__ import annotations

from .. import __version__
from .probe import Probe, normal_name

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
    primus primus-turbo
    amdsmi nvidia-ml-py nvidia-nccl-cu11 nvidia-nccl-cu12 nvidia-nccl-cu13 nvidia-cudnn-cu11
    nvidia-cudnn-cu12 nvidia-cudnn-cu13 nvidia-cublas-cu12 mpi4py
    wandb hydra-core omegaconf mlflow tensorboard
    """.split()
)

_OURS = "primus-lens-wandb-exporter"
_LONGEST = 64  # characters of a version


def collect(probe: Probe) -> dict[str, str]:
    """Return the versions of the installed packages that matter. A package may never be used.

    Ours is the one that runs: where it was injected it is not installed, or in another version.
    """
    installed = probe.packages
    names = ((name, installed.get(normal_name(name))) for name in PACKAGES)
    return {_OURS: __version__, **{name: version[:_LONGEST] for name, version in names if version}}
