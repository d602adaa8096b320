"""Environment variables, by an allow-list: what is not named here never leaves the process."""

from __future__ import annotations

from .probe import Probe
from .redaction import hide_credentials

ALLOWED = frozenset(
    """
    FRAMEWORK TRAINING_FRAMEWORK PRIMUS_CONFIG PRIMUS_VERSION PRIMUS_BACKEND
    DEEPSPEED_CONFIG DEEPSPEED_VERSION DS_CONFIG MEGATRON_CONFIG MEGATRON_LM_PATH
    JAX_BACKEND JAX_PLATFORMS PL_TRAINER_GPUS
    RANK LOCAL_RANK NODE_RANK GROUP_RANK WORLD_SIZE LOCAL_WORLD_SIZE MASTER_ADDR MASTER_PORT
    TORCHELASTIC_RUN_ID
    CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES
    GPU_DEVICE_ORDINAL
    """.split()
)

_LONGEST = 1024  # characters of one value


def collect(probe: Probe) -> dict[str, str]:
    """Return the allow-listed variables that are set."""
    environ = dict(probe.environ)
    names = sorted(ALLOWED & environ.keys())
    return {name: hide_credentials(environ[name][:_LONGEST]) for name in names}
