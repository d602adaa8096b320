"""Model and runtime settings, picked from a configuration: a mapping, OmegaConf's, or an object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from ..redaction import redact

_Places = tuple[tuple[str, ...], ...]

_MODEL = ("model_source", "batch_size", "concurrency")
_ENGINE = (
    "max_model_len",
    "max_num_seqs",
    "max_num_batched_tokens",
    "gpu_memory_utilization",
    "tensor_parallel_size",
    "enable_chunked_prefill",
    "enable_prefix_caching",
    "dtype",
    "kv_cache_dtype",
)
_RUNTIME = ("debug", "sample_n", "job_memory_gb", "rows_per_block", "streaming_io", "prefilter_mode")
# Families of settings: `use_llm_classify`, `topic_use_llm`; `keyword_buffering`, `keyword_buffer_size`.
_RUNTIME_FAMILIES = re.compile(r"(?:\w+_)?use_llms?(?:_\w+)?|keyword_buffer\w*")

# Where each group of settings is looked for, the likeliest place first; () is the top.
_MODEL_PLACES: _Places = (("model",), ())
_ENGINE_PLACES: _Places = (("model", "engine_kwargs"), ("engine_kwargs",), ("model",))
_RUNTIME_PLACES: _Places = (("runtime",), ())

_LONGEST = 512  # characters of a text
_MOST_NAMES = 2000  # looked through for a family's members
_LONGEST_NAME = 100  # characters
_ABSENT = object()


def describe_model(cfg: Any) -> dict[str, Any]:
    """Return `model_source`, `batch_size`, `concurrency` and `engine_kwargs`, as far as they are there.

    They are looked for in `model` and at the top; names may be nested or joined by dots. A value that
    is missing (`???`), cannot be resolved or is not plain is left out, and so is a long text.
    """
    found = _pick(cfg, _MODEL_PLACES, _MODEL)
    engine = _pick(cfg, _ENGINE_PLACES, _ENGINE)
    return _hide_secrets({**found, "engine_kwargs": engine} if engine else found)


def describe_runtime(cfg: Any) -> dict[str, Any]:
    """Return the runtime settings, looked for in `runtime` and at the top as `describe_model` does.

    `use_llm_…`, `…_use_llm` and `keyword_buffer…` are families: each name of that form is taken.
    """
    names = [*_names(_find(cfg, ("runtime",))), *_names(cfg)]
    members = {name[len("runtime.") :] if name.startswith("runtime.") else name for name in names}
    families = sorted(filter(_RUNTIME_FAMILIES.fullmatch, members))
    return _hide_secrets(_pick(cfg, _RUNTIME_PLACES, (*_RUNTIME, *families)))


def _hide_secrets(found: dict[str, Any]) -> dict[str, Any]:
    redacted: dict[str, Any] = redact(found)
    return redacted


def _pick(cfg: Any, places: _Places, names: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        values = (_find(cfg, (*place, name)) for place in places)
        value = next(filter(_is_plain, values), _ABSENT)
        if value is not _ABSENT:
            found[name] = value
    return found


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST
    return value is None or isinstance(value, (bool, int, float))


def _find(node: Any, path: tuple[str, ...]) -> Any:
    """Return what stands at a path in which each dot may be a step or part of a name."""
    for length in range(1, len(path) + 1):
        child = _child(node, ".".join(path[:length]))
        found = _find(child, path[length:]) if child is not _ABSENT and path[length:] else child
        if found is not _ABSENT:
            return found
    return _ABSENT


def _child(node: Any, name: str) -> Any:
    try:
        if _has_items(node):
            return node.get(name, _ABSENT)
        return vars(node).get(name, _ABSENT)
    except Exception:  # whatever a configuration raises for what it cannot give
        return _ABSENT


def _names(node: Any) -> list[str]:
    try:
        names = node.keys() if _has_items(node) else vars(node)
        texts = [name for name in islice(names, _MOST_NAMES) if isinstance(name, str)]
        return [name for name in texts if len(name) <= _LONGEST_NAME]
    except Exception:
        return []


def _has_items(node: Any) -> bool:
    return isinstance(node, Mapping) or hasattr(type(node), "keys")  # wandb's is no `Mapping`
