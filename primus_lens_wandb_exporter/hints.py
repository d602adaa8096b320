"""From evidence to framework hints: pure rules, one table.

The telemetry-processor decides; a hint only says what the evidence speaks for and how strongly. The
kinds of evidence are weighed in the processor's own order: a loaded module, environment variables,
W&B config fields; and only where none of these names a framework, PyTorch's companions and then the
name of the W&B project.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """What gives a framework away, strongest first within a column.

    `variables` and `fields` (of the W&B config) by being set; `words` by standing in a variable, field
    or project name that names frameworks in general.
    """

    framework: str
    layer: str
    variables: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


# Wrappers first, then bases, as the processor prefers them.
RULES = (
    Rule("primus", "wrapper", ("PRIMUS_CONFIG", "PRIMUS_VERSION", "PRIMUS_BACKEND"), ("primus_config",)),
    Rule("nemo", "wrapper"),
    Rule("verl", "wrapper"),
    Rule("composer", "wrapper", (), (), ("mosaicml",)),
    Rule("torchtune", "wrapper"),
    Rule("lightning", "wrapper", ("PL_TRAINER_GPUS",), (), ("pytorchlightning", "ptl")),
    Rule("ray_train", "wrapper", (), (), ("raytrain", "ray")),
    Rule("trl", "wrapper"),
    Rule("transformers_trainer", "wrapper", (), (), ("transformerstrainer", "hftrainer")),
    Rule("accelerate", "wrapper", ("ACCELERATE_MIXED_PRECISION",)),
    Rule(
        "megatron",
        "base",
        ("MEGATRON_CONFIG", "MEGATRON_LM_PATH", "ACCELERATE_USE_MEGATRON_LM"),
        ("megatron_config",),
        ("megatronlm", "megatroncore"),
    ),
    Rule(
        "deepspeed",
        "base",
        ("DEEPSPEED_CONFIG", "DS_CONFIG", "DEEPSPEED_VERSION", "ACCELERATE_USE_DEEPSPEED"),
        ("deepspeed_config",),
    ),
    Rule("jax", "base", ("JAX_BACKEND", "JAX_PLATFORMS"), (), ("flax",)),
    Rule("fsdp", "base", ("ACCELERATE_USE_FSDP",)),
    Rule("transformers", "base", (), (), ("huggingface", "hf")),
    Rule("pytorch", "base", (), (), ("torch",)),
    Rule("tensorflow", "base"),
    Rule("keras", "base"),
)
_RULES = {rule.framework: rule for rule in RULES}
_LAYERS = ("wrapper", "base")

# These say the framework's name; the ones above are set for one framework alone.
_NAMING_VARIABLES = ("FRAMEWORK", "TRAINING_FRAMEWORK")
_NAMING_FIELDS = ("framework", "base_framework")
_TRAINER_FIELD = "trainer"  # names its class, rather, which may tell
_OFF = ("", "0", "1", "true", "false", "yes", "no", "on", "off", "none", "null")  # are no names
_PLAIN_ENGLISH = ("composer", "nemo", "transformers", "accelerate")
_NOT_SET = ("", "0", "false", "no", "off")


class Finding(NamedTuple):
    """One piece of evidence for a framework; `kind` as the processor ranks them."""

    framework: str
    layer: str
    kind: str
    indicator: str


def build_hints(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hints object of a detection record, the same for the same evidence.

    For each framework its strongest indicator of each kind is named. `confidence` is of the best
    supported framework. `possible_frameworks` is the wrappers followed by the bases.
    """
    findings = [*_from_modules(evidence), *_from_environment(evidence), *_from_config(evidence)]
    findings = findings or [*_from_companions(evidence)] or [*_from_project(evidence)]
    if {finding.framework for finding in findings} - {"transformers", "pytorch"}:
        findings = [finding for finding in findings if finding.framework != "transformers"]
    names = {
        layer: [*dict.fromkeys(finding.framework for finding in findings if finding.layer == layer)]
        for layer in _LAYERS
    }
    wrappers, bases = names["wrapper"], names["base"]
    strongest = {(finding.framework, finding.kind): finding for finding in reversed(findings)}
    layers: dict[str, dict[str, Any]] = {}
    for name in wrappers:
        layers[name] = {"layer": "wrapper", "base_frameworks": bases}
    for name in bases:
        layers[name] = {"layer": "base", "wrapper_frameworks": wrappers}
    return {
        "wrapper_frameworks": wrappers,
        "base_frameworks": bases,
        "possible_frameworks": wrappers + bases,
        "confidence": _confidence(findings),
        "primary_indicators": [*dict.fromkeys(f.indicator for f in findings if f in strongest.values())],
        "framework_layers": layers,
    }


def _confidence(findings: list[Finding]) -> str:
    """Return `high`, `medium` or `low`.

    High: loaded, or two pieces of evidence of which one is an environment variable. Medium: one
    environment variable, or two config fields. Low: the rest.
    """
    best = "low"
    for framework in {finding.framework for finding in findings}:
        kinds = [finding.kind for finding in findings if finding.framework == framework]
        if "module" in kinds or ("variable" in kinds and len(kinds) > 1):
            return "high"
        if "variable" in kinds or kinds.count("field") > 1:
            best = "medium"
    return best


def _from_modules(evidence: Mapping[str, Any]) -> Iterator[Finding]:
    for layer in _LAYERS:
        for name in _mapping(evidence, f"{layer}_frameworks"):
            yield Finding(name, layer, "module", f"modules.{name}")


def _from_environment(evidence: Mapping[str, Any]) -> Iterator[Finding]:
    environment = _mapping(evidence, "environment")
    for rule in RULES:
        for variable in rule.variables:
            if str(environment.get(variable, "")).lower() not in _NOT_SET:
                yield Finding(rule.framework, rule.layer, "variable", variable)
        if rule.framework == "primus":
            yield from _named(environment.get("PRIMUS_BACKEND"), "variable", "PRIMUS_BACKEND", "base")
    for variable in _NAMING_VARIABLES:
        yield from _named(environment.get(variable), "variable", variable)


def _from_config(evidence: Mapping[str, Any]) -> Iterator[Finding]:
    config = _mapping(_mapping(evidence, "wandb"), "config")
    for field in _NAMING_FIELDS:
        yield from _named(config.get(field), "field", f"wandb_config.{field}")
    for rule in _rules_in(config.get(_TRAINER_FIELD)):
        yield Finding(rule.framework, rule.layer, "field", f"wandb_config.{_TRAINER_FIELD}")
    for rule in RULES:
        for field in rule.fields:
            if config.get(field):
                yield Finding(rule.framework, rule.layer, "field", f"wandb_config.{field}")


def _from_companions(evidence: Mapping[str, Any]) -> Iterator[Finding]:
    modules = _mapping(_mapping(evidence, "pytorch"), "detected_modules")
    for rule in RULES:
        if modules.get(rule.framework) is True:
            yield Finding(rule.framework, rule.layer, "companion", f"pytorch.{rule.framework}")


def _from_project(evidence: Mapping[str, Any]) -> Iterator[Finding]:
    project = _mapping(evidence, "wandb").get("project")
    for rule in _rules_in(project):
        if rule.framework in _PLAIN_ENGLISH and not str(project).lower().startswith(rule.framework):
            continue
        yield Finding(rule.framework, rule.layer, "project", "wandb_project")


def _named(value: Any, kind: str, indicator: str, layer: str = "") -> Iterator[Finding]:
    """Yield what a value that should be a framework's name says; an unknown one counts as a base."""
    if not isinstance(value, str) or not re.fullmatch(r"[\w.+ -]{1,64}", value):
        return
    squeezed = _squeeze(value)
    if value.lower() in _OFF:
        return
    for rule in RULES:
        if squeezed in (_squeeze(rule.framework), *rule.words):
            if layer in ("", rule.layer):
                yield Finding(rule.framework, rule.layer, kind, indicator)
            return
    yield Finding(value.lower(), "base", "unknown name", indicator)


def _rules_in(value: Any) -> Iterator[Rule]:
    """Yield the rules of the frameworks whose names stand in a text as words of their own."""
    if not isinstance(value, str):
        return
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", value)]
    together = words + [first + second for first, second in zip(words, words[1:])]
    squeezed = _squeeze(value)
    for rule in RULES:
        names = (_squeeze(rule.framework), *rule.words)
        if any(name in together for name in names) or (len(names[0]) > 6 and names[0] in squeezed):
            yield rule


def _squeeze(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _mapping(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = holder.get(name)
    return value if isinstance(value, Mapping) else {}
