"""What the evidence speaks for, and how strongly."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence.frameworks import FRAMEWORKS
from primus_lens_wandb_exporter.hints import RULES, build_hints

from .support.properties import patient


def evidence(
    wrappers: tuple[str, ...] = (),
    bases: tuple[str, ...] = (),
    config: Any = None,
    project: str = "",
    companions: tuple[str, ...] = (),
    **environ: str,
) -> dict[str, Any]:
    return {
        "wandb": {"config": {} if config is None else config, "project": project},
        "wrapper_frameworks": {name: {"detected": True} for name in wrappers},
        "base_frameworks": {name: {"detected": True} for name in bases},
        "environment": environ,
        "pytorch": {"available": True, "detected_modules": dict.fromkeys(companions, True)},
    }


def hints_of(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return build_hints(evidence(*args, **kwargs))


def test_hints_and_evidence_know_the_same_frameworks_in_the_same_order() -> None:
    assert [(rule.framework, rule.layer) for rule in RULES] == [
        (framework.name, framework.layer) for framework in FRAMEWORKS
    ]


def test_a_loaded_module_is_a_strong_hint() -> None:
    hints = hints_of(("lightning",), ("pytorch",))
    assert hints["confidence"] == "high"
    assert hints["possible_frameworks"] == ["lightning", "pytorch"]
    assert hints["primary_indicators"] == ["modules.lightning", "modules.pytorch"]
    assert hints["framework_layers"] == {
        "lightning": {"layer": "wrapper", "base_frameworks": ["pytorch"]},
        "pytorch": {"layer": "base", "wrapper_frameworks": ["lightning"]},
    }


def test_what_says_the_same_twice_is_named_by_its_strongest_indicator() -> None:
    hints = hints_of(FRAMEWORK="primus", PRIMUS_CONFIG="/exp.yaml", config={"framework": "primus"})
    assert hints["possible_frameworks"] == ["primus"]
    assert hints["confidence"] == "high"
    assert hints["primary_indicators"] == ["PRIMUS_CONFIG", "wandb_config.framework"]


@pytest.mark.parametrize(
    ("environ", "config", "confidence"),
    [
        ({"PRIMUS_CONFIG": "c"}, {}, "medium"),
        ({"DS_CONFIG": "c", "DEEPSPEED_VERSION": "0.17"}, {}, "high"),
        ({"DS_CONFIG": "c"}, {"framework": "deepspeed"}, "high"),
        ({"DS_CONFIG": "c", "MEGATRON_CONFIG": "c"}, {}, "medium"),
        ({"FRAMEWORK": "jax"}, {}, "medium"),
        ({"FRAMEWORK": "jax", "TRAINING_FRAMEWORK": "JAX"}, {}, "high"),
        ({}, {"framework": "jax"}, "low"),
        ({}, {"framework": "deepspeed", "deepspeed_config": {"zero": 3}}, "medium"),
        ({}, {"framework": "jax", "base_framework": "megatron"}, "low"),
        ({}, {}, "low"),
    ],
)
def test_confidence_grows_with_the_evidence_for_one_framework(
    environ: dict[str, str], config: dict[str, Any], confidence: str
) -> None:
    assert hints_of(config=config, **environ)["confidence"] == confidence


@pytest.mark.parametrize(
    ("environ", "wrappers", "bases"),
    [
        ({"PRIMUS_CONFIG": "c", "PRIMUS_BACKEND": "Megatron-LM"}, ["primus"], ["megatron"]),
        ({"PRIMUS_BACKEND": "torchtitan"}, ["primus"], ["torchtitan"]),
        ({"FRAMEWORK": "PyTorch Lightning"}, ["lightning"], []),
        ({"FRAMEWORK": "pytorch_lightning"}, ["lightning"], []),
        ({"FRAMEWORK": "torch"}, [], ["pytorch"]),
        ({"FRAMEWORK": "HuggingFace"}, [], ["transformers"]),
        ({"TRAINING_FRAMEWORK": "My-Own 2"}, [], ["my-own 2"]),
        ({"FRAMEWORK": "a sentence, rather; with signs"}, [], []),
        ({"FRAMEWORK": ""}, [], []),
        ({"JAX_PLATFORMS": "cpu"}, [], ["jax"]),
        ({"ACCELERATE_USE_FSDP": "true"}, [], ["fsdp"]),
        ({"ACCELERATE_USE_FSDP": "false", "ACCELERATE_USE_DEEPSPEED": "0"}, [], []),
        ({"RANK": "0"}, [], []),
    ],
)
def test_the_environment_names_frameworks(
    environ: dict[str, str], wrappers: list[str], bases: list[str]
) -> None:
    hints = hints_of(**environ)
    assert (hints["wrapper_frameworks"], hints["base_frameworks"]) == (wrappers, bases)


@pytest.mark.parametrize(
    ("config", "possible", "indicator"),
    [
        ({"framework": "Primus"}, ["primus"], "wandb_config.framework"),
        ({"base_framework": "megatron"}, ["megatron"], "wandb_config.base_framework"),
        ({"trainer": "MegatronTrainer"}, ["megatron"], "wandb_config.trainer"),
        ({"trainer": "my.deepspeed_trainer"}, ["deepspeed"], "wandb_config.trainer"),
        ({"trainer": {"gpus": 8}}, [], None),
        ({"trainer": "SFT"}, [], None),
        ({"primus_config": {"exp": "e"}}, ["primus"], "wandb_config.primus_config"),
        ({"deepspeed_config": None}, [], None),
        ({"framework": 7}, [], None),
        ("no mapping", [], None),
    ],
)
def test_a_config_names_frameworks(config: Any, possible: list[str], indicator: str | None) -> None:
    hints = hints_of(config=config)
    assert hints["possible_frameworks"] == possible
    assert hints["primary_indicators"] == ([indicator] if indicator else [])


def test_companions_and_project_count_only_where_nothing_else_speaks() -> None:
    weak = {"companions": ("deepspeed",), "project": "megatron-runs"}
    assert hints_of(**weak)["primary_indicators"] == ["pytorch.deepspeed"]
    assert hints_of(project="megatron-runs")["primary_indicators"] == ["wandb_project"]
    assert hints_of(project="megatron-runs")["possible_frameworks"] == ["megatron"]
    assert hints_of(bases=("jax",), **weak)["possible_frameworks"] == ["jax"]
    assert hints_of(config={"framework": "jax"}, **weak)["possible_frameworks"] == ["jax"]
    assert hints_of(project="ajaxes")["possible_frameworks"] == []


def test_what_is_loaded_comes_first_and_nothing_is_named_twice() -> None:
    hints = hints_of(("lightning",), ("pytorch",), PRIMUS_CONFIG="c", DS_CONFIG="d", FRAMEWORK="torch")
    assert hints["wrapper_frameworks"] == ["lightning", "primus"]
    assert hints["base_frameworks"] == ["pytorch", "deepspeed"]
    assert hints["primary_indicators"] == [
        "modules.lightning",
        "modules.pytorch",
        "PRIMUS_CONFIG",
        "DS_CONFIG",
        "FRAMEWORK",
    ]


def test_no_evidence_at_all_gives_hints_all_the_same() -> None:
    assert build_hints({})["confidence"] == "low"


_VARIABLES = sorted({variable for rule in RULES for variable in rule.variables} | {"FRAMEWORK", "RANK"})
_CONFIGS = st.dictionaries(
    st.sampled_from(["framework", "base_framework", "trainer", "deepspeed_config", "lr"]),
    st.one_of(st.none(), st.integers(), st.text(max_size=9), st.sampled_from(["primus", "jax"])),
)


@patient
@given(
    st.dictionaries(st.sampled_from(_VARIABLES), st.text(max_size=9)), _CONFIGS, st.text(), st.randoms()
)
def test_the_order_in_which_evidence_stands_changes_nothing(
    environ: dict[str, str], config: dict[str, Any], project: str, chance: random.Random
) -> None:
    found = evidence(config=config, project=project, **environ)
    shuffled = {
        **found,
        "wandb": {"project": project, "config": _shuffle(config, chance)},
        "environment": _shuffle(environ, chance),
    }
    hints = build_hints(found)
    assert build_hints(shuffled) == hints
    assert hints["possible_frameworks"] == hints["wrapper_frameworks"] + hints["base_frameworks"]
    assert len(set(hints["possible_frameworks"])) == len(hints["possible_frameworks"])
    assert set(hints["framework_layers"]) == set(hints["possible_frameworks"])
    assert hints["possible_frameworks"] or hints["confidence"] == "low"


def _shuffle(mapping: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    items = list(mapping.items())
    chance.shuffle(items)
    return dict(items)
