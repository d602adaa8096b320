"""Whether a loaded framework is at work, read from what it keeps for itself; nothing is called.

Each function answers None where its place in the framework is not there: it has not been loaded, or
looks different in this release.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from .probe import Probe, contents


def accelerate(probe: Probe) -> bool | None:
    """A state has been made (`accelerate.state.PartialState._shared_state` is filled)."""
    shared = _accelerate_state(probe, "PartialState")
    return None if shared is None else bool(shared)


def deepspeed(probe: Probe) -> bool | None:
    """Its communication is initialised (`deepspeed.comm.comm.cdb`)."""
    return _is_set(probe, "deepspeed.comm.comm", "cdb")


def fsdp(probe: Probe) -> bool | None:
    """`fully_shard` was applied to a module, or accelerate was told to use FSDP.

    `FullyShardedDataParallel`, the older of the two, leaves no mark that could be read.
    """
    home = "torch.distributed.fsdp._fully_shard._fully_shard"
    sharded = probe.look_up(home, "cls_to_fsdp_cls") or probe.look_up(home, "_cls_to_fsdp_cls")
    state = _accelerate_state(probe, "AcceleratorState") or {}
    kind = state.get("distributed_type")
    if sharded or (isinstance(kind, Enum) and kind.name == "FSDP"):
        return True
    return None


def jax(probe: Probe) -> bool | None:
    """A backend is initialised (`jax._src.xla_bridge._backends`)."""
    backends = probe.look_up("jax._src.xla_bridge", "_backends")
    return None if backends is None else bool(backends)


def megatron(probe: Probe) -> bool | None:
    """Model parallelism is initialised (`megatron.core.parallel_state`)."""
    return _is_set(probe, "megatron.core.parallel_state", "_TENSOR_MODEL_PARALLEL_GROUP")


def ray_train(probe: Probe) -> bool | None:
    """This process is a worker with a session, of Ray Train's first or second version."""
    first = _is_set(probe, "ray.train._internal.session", "_session")
    second = _is_set(probe, "ray.train.v2._internal.execution.train_fn_utils", "_train_fn_utils")
    return None if first is second is None else bool(first or second)


def tensorflow(probe: Probe) -> bool | None:
    """An eager context was made, which happens at the first operation."""
    return _is_set(probe, "tensorflow.python.eager.context", "_context")


def _is_set(probe: Probe, module: str, attribute: str) -> bool | None:
    names = contents(probe.module(module))
    return names[attribute] is not None if attribute in names else None


def _accelerate_state(probe: Probe, name: str) -> Mapping[str, Any] | None:
    state = probe.look_up("accelerate.state", name)
    shared = vars(state).get("_shared_state") if isinstance(state, type) else None
    return shared if isinstance(shared, Mapping) else None
