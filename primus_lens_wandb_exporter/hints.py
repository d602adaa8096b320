"""From evidence to framework hints: pure rules, one table.

The telemetry-processor decides; a hint only says what the evidence speaks for and how strongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Environment variables that name a framework, strongest first.
_NAMED_BY_ENVIRONMENT = (
    ("PRIMUS_CONFIG", "primus", "wrapper"),
    ("PRIMUS_BACKEND", "primus", "wrapper"),
    ("PL_TRAINER_GPUS", "lightning", "wrapper"),
    ("DEEPSPEED_CONFIG", "deepspeed", "base"),
    ("DS_CONFIG", "deepspeed", "base"),
    ("MEGATRON_CONFIG", "megatron", "base"),
    ("MEGATRON_LM_PATH", "megatron", "base"),
    ("JAX_BACKEND", "jax", "base"),
)
_CONFIG_FIELDS = ("framework", "base_framework", "trainer")


def build_hints(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hints object of a detection record.

    `confidence` is high when a module of a framework is loaded, medium when only the environment
    names one, low otherwise. `possible_frameworks` is the wrappers followed by the bases.
    """
    wrappers = list(evidence.get("wrapper_frameworks", {}))
    bases = list(evidence.get("base_frameworks", {}))
    indicators = [f"modules.{name}" for name in wrappers + bases]
    confidence = "high" if indicators else "low"
    environment = evidence.get("environment", {})
    for variable, name, layer in _NAMED_BY_ENVIRONMENT:
        if variable not in environment:
            continue
        indicators.append(f"environment.{variable}")
        known = wrappers if layer == "wrapper" else bases
        if name not in known:
            known.append(name)
        if confidence == "low":
            confidence = "medium"
    config = evidence.get("wandb", {}).get("config", {})
    if isinstance(config, Mapping):
        indicators += [f"wandb_config.{field}" for field in _CONFIG_FIELDS if config.get(field)]
    layers: dict[str, dict[str, Any]] = {}
    for name in wrappers:
        layers[name] = {"layer": "wrapper", "base_frameworks": bases}
    for name in bases:
        layers[name] = {"layer": "base", "wrapper_frameworks": wrappers}
    return {
        "wrapper_frameworks": wrappers,
        "base_frameworks": bases,
        "possible_frameworks": wrappers + bases,
        "confidence": confidence,
        "primary_indicators": indicators,
        "framework_layers": layers,
    }
