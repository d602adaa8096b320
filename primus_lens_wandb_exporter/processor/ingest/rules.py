"""From evidence to one framework: the service's rules in its order; the first that matches decides.

The order and the confidences are the contract's ("How the service turns evidence into one framework").
Pure functions over the typed body.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Callable, NamedTuple

from .names import WRAPPERS, find_names, read_name
from .wire import DetectionBody, Evidence, LoadedFramework

_FIRST_WRAPPERS = ("primus",)
_FIRST_BASES = ("megatron", "deepspeed", "jax", "transformers")

_VARIABLES = (  # after PRIMUS_*
    ("deepspeed", ("DEEPSPEED_CONFIG", "DS_CONFIG", "DEEPSPEED_VERSION", "ACCELERATE_USE_DEEPSPEED")),
    ("megatron", ("MEGATRON_CONFIG", "MEGATRON_LM_PATH", "ACCELERATE_USE_MEGATRON_LM")),
    ("jax", ("JAX_BACKEND", "JAX_PLATFORMS")),
)
_NAMING_VARIABLES = ("FRAMEWORK", "TRAINING_FRAMEWORK")
_CONFIG_FIELDS = (("framework", 0.70), ("base_framework", 0.70), ("trainer", 0.65))
_OFF = ("", "0", "false", "no", "off")


class Verdict(NamedTuple):
    """What one rule made of the evidence; the names are empty where it says nothing."""

    wrapper: str
    base: str
    confidence: float  # 0 to 1
    method: str
    indicators: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are stored: the framework is the wrapper, else the base."""
        return {
            "framework": self.wrapper or self.base,
            "layer": "wrapper" if self.wrapper else "base" if self.base else "",
            "wrapper_framework": self.wrapper,
            "base_framework": self.base,
            "confidence": self.confidence,
            "method": self.method,
            "indicators": list(self.indicators),
        }


def decide(body: DetectionBody) -> dict[str, Any]:
    """Return the verdict on a detection record; without any evidence its framework is empty."""
    for rule in _RULES:
        verdict = rule(body.evidence)
        if verdict is not None:
            return verdict.as_dict()
    return (_from_hints(body) or Verdict("", "", 0.0, "none", ())).as_dict()


def _from_modules(evidence: Evidence) -> Verdict | None:
    wrapper = _first(_detected(evidence.wrapper_frameworks), _FIRST_WRAPPERS)
    base = _first(_detected(evidence.base_frameworks), _FIRST_BASES)
    if not wrapper and not base:
        return None
    indicators = [f"modules.{name}" for name in (wrapper, base) if name]
    if not base:
        base = read_name(evidence.wrapper_frameworks[wrapper].base_framework)
    return Verdict(wrapper, base, 0.90, "modules", tuple(indicators))


def _from_environment(evidence: Evidence) -> Verdict | None:
    environment = evidence.environment
    primus = sorted(
        name
        for name in environment
        if name.startswith("PRIMUS_")
        and not name.startswith("PRIMUS_LENS_")
        and _is_on(environment, name)
    )
    if primus:
        base = read_name(environment.get("PRIMUS_BACKEND", ""))
        return Verdict("primus", base, 0.80, "environment", tuple(primus))
    for base, variables in _VARIABLES:
        found = tuple(name for name in variables if _is_on(environment, name))
        if found:
            return Verdict("", base, 0.80, "environment", found)
    for variable in _NAMING_VARIABLES:
        name = read_name(environment.get(variable, ""))
        if name:
            return _verdict_on([name], 0.75, "environment", (variable,))
    return None


def _from_config(evidence: Evidence) -> Verdict | None:
    for field, confidence in _CONFIG_FIELDS:
        name = read_name(evidence.wandb.config.get(field))
        if not name:
            continue
        indicator = f"wandb_config.{field}"
        if field == "framework":
            other = read_name(evidence.wandb.config.get("base_framework"))
            return _verdict_on([name, other], confidence, "config", (indicator,))
        if field == "trainer":
            found = find_names(str(evidence.wandb.config[field]))
            if not found:
                continue
            return _verdict_on(found, confidence, "config", (indicator,))
        return Verdict("", name, confidence, "config", (indicator,))
    return None


def _from_pytorch(evidence: Evidence) -> Verdict | None:
    modules = evidence.pytorch.detected_modules
    names = [name for name, detected in modules.items() if detected]
    found = [name for name in map(read_name, names) if name]
    return _verdict_on(found, 0.60, "pytorch", tuple(f"pytorch.{name}" for name in names))


def _from_project(evidence: Evidence) -> Verdict | None:
    return _verdict_on(find_names(evidence.wandb.project), 0.50, "project", ("wandb_project",))


_RULES: tuple[Callable[[Evidence], Verdict | None], ...] = (
    _from_modules,
    _from_environment,
    _from_config,
    _from_pytorch,
    _from_project,
)


def _from_hints(body: DetectionBody) -> Verdict | None:
    hints = body.hints
    wrapper = _first([read_name(name) for name in hints.wrapper_frameworks], _FIRST_WRAPPERS)
    base = _first([read_name(name) for name in hints.base_frameworks], _FIRST_BASES)
    if wrapper or base:
        return Verdict(wrapper, base, 0.40, "hints", tuple(hints.primary_indicators))
    named = [read_name(name) for name in hints.possible_frameworks]
    return _verdict_on(named, 0.40, "hints", tuple(hints.primary_indicators))


def _verdict_on(
    names: Iterable[str], confidence: float, method: str, indicators: tuple[str, ...]
) -> Verdict | None:
    """Sort names into layers and take the first of each; one that nobody knows is a base."""
    known = [name for name in names if name]
    wrapper = _first([name for name in known if name in WRAPPERS], _FIRST_WRAPPERS)
    base = _first([name for name in known if name not in WRAPPERS], _FIRST_BASES)
    return Verdict(wrapper, base, confidence, method, indicators) if wrapper or base else None


def _first(names: Iterable[str], preferred: Iterable[str]) -> str:
    names = [name for name in names if name]
    return next((name for name in preferred if name in names), names[0] if names else "")


def _detected(frameworks: Mapping[str, LoadedFramework]) -> list[str]:
    return [name for name, found in frameworks.items() if found.detected]


def _is_on(environment: Mapping[str, str], variable: str) -> bool:
    return environment.get(variable, "").strip().lower() not in _OFF
