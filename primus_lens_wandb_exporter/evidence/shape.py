"""The types that the telemetry-processor demands of the evidence: a wrong one would cost the record.

It is a Go program, and one field of a wrong type refuses the whole body (see CONTRACT: the wire). So
what does not fit is left out here.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, Union

Shape = Union[type, dict[str, Any], list[Any]]

EACH = "*"  # the shape of every value of an object, whatever its name

_TEXTS = {EACH: str}
_FRAMEWORKS = {EACH: {"detected": bool, "version": str, "in_use": bool, "base_framework": str}}

EVIDENCE: dict[str, Shape] = {
    "wandb": {
        **dict.fromkeys(("project", "name", "id", "entity", "group", "job_type"), str),
        "config": dict,
        "tags": [str],
    },
    "environment": _TEXTS,
    "pytorch": {
        "available": bool,
        "version": str,
        "cuda_available": bool,
        "cuda_version": str,
        "hip_version": str,
        "detected_modules": {EACH: bool},
        "distributed": {"backend": str, "world_size": int},
    },
    "wrapper_frameworks": _FRAMEWORKS,
    "base_frameworks": _FRAMEWORKS,
    "system": dict,
    "hardware": {
        **dict.fromkeys(("gpu_arch", "gpu_name", "rocm_version", "cuda_version"), str),
        "driver_version": str,
        "gpu_count": int,
        "gpu_count_host": int,
        "gpu_memory_gb": float,
        "gpus": [dict],
    },
    "software": {"rocm_version": str, "packages": _TEXTS},
    "build": dict.fromkeys(
        """
        build_url dockerfile_url image_tag build_date git_commit git_branch git_repo ci_pipeline_id
        """.split(),
        str,
    ),
    "git": {"commit": str, "branch": str, "remote": str, "dirty": bool},
}


class Misfit(TypeError):
    """A value that has not the type it should have; the message names the field."""


def fit(value: Any, shape: Shape, where: str = "evidence") -> tuple[Any, list[Misfit]]:
    """Return the value without what does not fit, and what that was.

    Raises:
        Misfit: the value itself does not fit.
    """
    misfits: list[Misfit] = []
    if isinstance(shape, type):
        if not _is(value, shape):
            raise Misfit(f"{where}: expected {shape.__name__}, got {type(value).__name__}")
        return value, misfits
    if isinstance(shape, list):
        if type(value) is not list:
            raise Misfit(f"{where}: expected a list, got {type(value).__name__}")
        pairs = [(index, element, shape[0]) for index, element in enumerate(value)]
        return [fitted for _, fitted in _fit_each(pairs, where, misfits)], misfits
    if not isinstance(value, Mapping):
        raise Misfit(f"{where}: expected an object, got {type(value).__name__}")
    named = [(name, nested, shape.get(name, shape.get(EACH))) for name, nested in value.items()]
    return dict(_fit_each(named, where, misfits)), misfits


def _fit_each(
    values: list[tuple[Any, Any, Any]], where: str, misfits: list[Misfit]
) -> list[tuple[Any, Any]]:
    fitting = []
    for name, value, shape in values:
        try:
            if shape is None:
                raise Misfit(f"{where}.{name}: no such field")
            fitted, inner = fit(value, shape, f"{where}.{name}")
        except Misfit as misfit:
            misfits.append(misfit)
        else:
            fitting.append((name, fitted))
            misfits += inner
    return fitting


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return type(value) in (int, float) and isfinite(value)
    return type(value) is kind
