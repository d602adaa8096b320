"""One framework out of the evidence: each rule, and the order they stand in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.processor.ingest.names import BASES, WRAPPERS
from primus_lens_wandb_exporter.processor.ingest.rules import decide
from primus_lens_wandb_exporter.processor.ingest.wire import DetectionBody

from ..support.properties import patient

LOADED = {"detected": True, "version": "1"}


def verdict(hints: dict[str, Any] | None = None, **evidence: Any) -> dict[str, Any]:
    body = {"evidence": evidence, "hints": hints or {}}
    return decide(msgspec.convert(body, DetectionBody))


def short(**evidence: Any) -> tuple[str, str, float, str]:
    """Return wrapper, base, confidence and method."""
    found = verdict(**evidence)
    names = ("wrapper_framework", "base_framework", "confidence", "method")
    wrapper, base, confidence, method = (found[name] for name in names)
    return wrapper, base, confidence, method


def loaded(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, LOADED)


def test_nothing_is_said_of_no_evidence() -> None:
    assert verdict() == {
        "framework": "",
        "layer": "",
        "wrapper_framework": "",
        "base_framework": "",
        "confidence": 0.0,
        "method": "none",
        "indicators": [],
    }


@pytest.mark.parametrize(
    ("wrappers", "bases", "expected"),
    [
        (["lightning", "primus"], ["pytorch", "megatron"], ("primus", "megatron")),
        (["trl", "accelerate"], ["transformers", "deepspeed"], ("trl", "deepspeed")),
        ([], ["transformers", "jax"], ("", "jax")),
        ([], ["fsdp", "pytorch"], ("", "fsdp")),
        (["verl"], [], ("verl", "")),
    ],
)
def test_a_loaded_module_decides(
    wrappers: list[str], bases: list[str], expected: tuple[str, str]
) -> None:
    evidence = {"wrapper_frameworks": loaded(*wrappers), "base_frameworks": loaded(*bases)}
    assert short(**evidence) == (*expected, 0.90, "modules")


def test_the_framework_is_the_wrapper_else_the_base() -> None:
    both = verdict(wrapper_frameworks=loaded("primus"), base_frameworks=loaded("megatron"))
    assert (both["framework"], both["layer"]) == ("primus", "wrapper")
    assert both["indicators"] == ["modules.primus", "modules.megatron"]
    base = verdict(base_frameworks=loaded("jax"))
    assert (base["framework"], base["layer"]) == ("jax", "base")


def test_what_was_not_detected_does_not_count() -> None:
    assert short(base_frameworks={"jax": {"detected": False}})[3] == "none"


def test_a_wrapper_says_itself_what_it_stands_on() -> None:
    wrapper = {"primus": {**LOADED, "base_framework": "Megatron-LM"}}
    assert short(wrapper_frameworks=wrapper)[:2] == ("primus", "megatron")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PRIMUS_CONFIG": "x", "DS_CONFIG": "y"}, ("primus", "", 0.80)),
        ({"PRIMUS_BACKEND": "megatron"}, ("primus", "megatron", 0.80)),
        ({"MEGATRON_LM_PATH": "/m", "DEEPSPEED_CONFIG": "x"}, ("", "deepspeed", 0.80)),
        ({"MEGATRON_LM_PATH": "/m", "JAX_PLATFORMS": "cuda"}, ("", "megatron", 0.80)),
        ({"JAX_PLATFORMS": "cuda", "FRAMEWORK": "trl"}, ("", "jax", 0.80)),
        ({"FRAMEWORK": "PyTorch_Lightning"}, ("lightning", "", 0.75)),
        ({"FRAMEWORK": "Own"}, ("", "own", 0.75)),
    ],
)
def test_the_environment_comes_next(
    environment: dict[str, str], expected: tuple[str, str, float]
) -> None:
    assert short(environment=environment, wandb={"config": {"framework": "keras"}}) == (
        *expected,
        "environment",
    )


@pytest.mark.parametrize(
    "environment", [{"PRIMUS_LENS_API_BASE_URL": "x"}, {"ACCELERATE_USE_DEEPSPEED": "false"}]
)
def test_variables_that_say_nothing(environment: dict[str, str]) -> None:
    assert short(environment=environment)[3] == "none"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"framework": "primus", "base_framework": "megatron"}, ("primus", "megatron", 0.70)),
        ({"base_framework": "deepspeed", "trainer": "x"}, ("", "deepspeed", 0.70)),
        ({"trainer": "MegatronTrainer"}, ("", "megatron", 0.65)),
        ({"framework": 7, "trainer": "DeepSpeedTrainer"}, ("", "deepspeed", 0.65)),
    ],
)
def test_then_the_config(config: dict[str, Any], expected: tuple[str, str, float]) -> None:
    evidence = {"config": config, "project": "jax"}
    assert short(wandb=evidence) == (*expected, "config")


def test_then_what_pytorch_has_beside_it() -> None:
    modules = {"transformers": True, "megatron": True, "deepspeed": False}
    evidence = {"pytorch": {"detected_modules": modules}, "wandb": {"project": "jax"}}
    assert short(**evidence) == ("", "megatron", 0.60, "pytorch")


@pytest.mark.parametrize(
    ("project", "expected"),
    [
        ("my-primus-megatron-run", ("primus", "megatron")),
        ("DeepSpeed tests", ("", "deepspeed")),
        ("llama_transformers", ("", "transformers")),
    ],
)
def test_then_the_projects_name(project: str, expected: tuple[str, str]) -> None:
    assert short(wandb={"project": project}) == (*expected, 0.50, "project")


@pytest.mark.parametrize("project", ["ajaxian", "control", "neon", "", "vision"])
def test_a_name_inside_another_word_is_none(project: str) -> None:
    assert short(wandb={"project": project})[3] == "none"


def test_hints_come_last() -> None:
    hints = {"wrapper_frameworks": ["trl", "primus"], "primary_indicators": ["PRIMUS_CONFIG"]}
    found = verdict(hints)
    assert (found["framework"], found["confidence"], found["method"]) == ("primus", 0.40, "hints")
    assert found["indicators"] == ["PRIMUS_CONFIG"]
    assert verdict({"possible_frameworks": ["jax"]})["framework"] == "jax"
    assert verdict(hints, wandb={"project": "jax"})["method"] == "project"


def test_no_name_has_two_meanings() -> None:
    names = [
        *WRAPPERS,
        *BASES,
        *(word for table in (WRAPPERS, BASES) for row in table.values() for word in row),
    ]
    assert len(names) == len(set(names))


@given(st.text(), st.dictionaries(st.text(max_size=9), st.text()), st.text())
@patient
def test_any_text_has_a_verdict(project: str, environment: dict[str, str], trainer: str) -> None:
    found = verdict(wandb={"project": project, "config": {"trainer": trainer}}, environment=environment)
    assert 0 <= found["confidence"] <= 1
    assert found["framework"] == (found["wrapper_framework"] or found["base_framework"])
