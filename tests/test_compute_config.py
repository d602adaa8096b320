"""Model and runtime settings, picked from whatever somebody configures with."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.evidence.compute.config import describe_model, describe_runtime

from .support.properties import patient

ENGINE = {
    "max_model_len": 4096,
    "max_num_seqs": 4,
    "max_num_batched_tokens": 8192,
    "gpu_memory_utilization": 0.7,
    "tensor_parallel_size": 4,
    "enable_chunked_prefill": True,
    "enable_prefix_caching": False,
    "dtype": "bfloat16",
    "kv_cache_dtype": "auto",
}
MODEL = {"model_source": "/zoo/m", "engine_kwargs": ENGINE, "batch_size": 4, "concurrency": 1}
RUNTIME = {
    "debug": True,
    "sample_n": None,
    "job_memory_gb": 64,
    "rows_per_block": 1000,
    "streaming_io": False,
    "prefilter_mode": "pre_gating",
    "use_llm_classify": True,
    "topic_use_llm": False,
    "use_llm": True,
    "keyword_buffering": True,
    "keyword_buffer_size": 3,
}
OTHER = {"optimizer": {"lr": 0.1}, "reuse_llms": 1, "llm_used": 1}
CONFIG = {"model": {**MODEL, "layers": 3}, "runtime": {**RUNTIME, **OTHER}, **OTHER}


def flatten(config: dict[str, Any], head: str = "") -> dict[str, Any]:
    """Return a nested config with its names joined by dots."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        flat.update(
            flatten(value, f"{head}{name}.") if isinstance(value, dict) else {head + name: value}
        )
    return flat


def as_objects(config: Any) -> Any:
    """Return a nested config as objects with attributes."""
    if not isinstance(config, dict):
        return config
    return SimpleNamespace(**{name: as_objects(value) for name, value in config.items()})


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        flatten(CONFIG),
        as_objects(CONFIG),
        {**MODEL, **RUNTIME},
        argparse.Namespace(**MODEL, **RUNTIME),
        {"model": {**MODEL, "engine_kwargs": {}, **ENGINE}, "runtime": RUNTIME},
        {"model": "/zoo/m", "runtime": "local", **MODEL, **RUNTIME},
    ],
    ids=["nested", "dotted", "attributes", "top", "argparse", "no engine_kwargs", "names of groups"],
)
def test_settings_are_found_in_every_shape_of_a_config(config: Any) -> None:
    assert describe_model(config) == MODEL
    assert describe_runtime(config) == RUNTIME


def test_the_group_comes_before_the_top() -> None:
    config = {"model": {"batch_size": 1}, "batch_size": 2, "debug": False, "runtime": {"debug": True}}
    assert describe_model(config) == {"batch_size": 1}
    assert describe_runtime(config) == {"debug": True}


@pytest.mark.parametrize("config", [None, {}, [], "model", 3, object(), ["debug"], {"model": None}])
def test_a_config_without_settings_gives_none(config: Any) -> None:
    assert (describe_model(config), describe_runtime(config)) == ({}, {})


def test_only_plain_and_short_values_are_taken_and_credentials_are_not() -> None:
    config = {
        "model_source": "https://user:secret@host/model",
        "batch_size": [1, 2],
        "dtype": object(),
        "use_llm_api_key": "hunter2",
        "prefilter_mode": "x" * 5000,
        "sample_n": float("nan"),
        "debug": {"level": 3},
    }
    assert describe_model(config) == {"model_source": "[redacted]"}
    assert describe_runtime(config) == {"sample_n": "nan", "use_llm_api_key": "[redacted]"}


class Hostile(dict):  # type: ignore[type-arg]
    def get(self, *args: Any) -> Any:
        raise RuntimeError

    __iter__ = keys = __contains__ = __getitem__ = get


def test_a_value_that_cannot_be_read_costs_its_own_field() -> None:
    config = {"model": Hostile(batch_size=1), "concurrency": 2, "runtime": Hostile(), "debug": True}
    assert describe_model(config) == {"concurrency": 2}
    assert describe_runtime(config) == {"debug": True}
    assert describe_model(Hostile()) == {}


def test_looking_changes_no_config_and_calls_no_property() -> None:
    class Settings:
        def __init__(self) -> None:
            self.batch_size = 4

        @property
        def concurrency(self) -> int:
            raise AssertionError

    made_up: defaultdict[str, int] = defaultdict(int, batch_size=4)
    assert describe_model(made_up) == {"batch_size": 4}
    assert made_up == {"batch_size": 4}
    assert describe_model(Settings()) == {"batch_size": 4}


@dataclass
class Model:
    batch_size: int = 8
    engine_kwargs: dict[str, Any] = field(default_factory=lambda: {"max_num_seqs": 2, "dtype": None})


def test_dataclasses_are_read() -> None:
    described = describe_model(SimpleNamespace(model=Model()))
    assert described == {"batch_size": 8, "engine_kwargs": {"max_num_seqs": 2, "dtype": None}}


def test_the_config_of_a_run_is_read() -> None:
    wandb_config = pytest.importorskip("wandb.sdk.wandb_config")
    config = wandb_config.Config()
    config.__dict__["_items"].update({"batch_size": 4, "runtime": {"debug": True, "use_llm_x": 1}})
    assert describe_model(config) == {"batch_size": 4}
    assert describe_runtime(config) == {"debug": True, "use_llm_x": 1}


def test_a_config_of_omegaconf_is_read_as_it_would_be_resolved() -> None:
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create(
        {
            "zoo": "/zoo",
            "model": {
                "model_source": "${zoo}/m",
                "batch_size": "???",
                "concurrency": "${no.such.name}",
                "engine_kwargs": {**ENGINE, "dtype": "${oc.env:NO_SUCH_VARIABLE}"},
            },
            "runtime": {**RUNTIME, "use_llm_topic": "${no_such_resolver:1}", "keyword_buffer": "???"},
            "sample_n": "???",
        }
    )
    engine = {name: value for name, value in ENGINE.items() if name != "dtype"}
    for strict in (False, True):
        omegaconf.OmegaConf.set_struct(config, strict)
        assert describe_model(config) == {"model_source": "/zoo/m", "engine_kwargs": engine}
        assert describe_runtime(config) == RUNTIME


@pytest.mark.parametrize("text", ["???", "${no.such.name}", None])
def test_a_group_of_omegaconf_that_is_missing_costs_that_group(text: str | None) -> None:
    omegaconf = pytest.importorskip("omegaconf")
    config = omegaconf.OmegaConf.create({"model": text, "runtime": {"debug": True}, "batch_size": 2})
    assert describe_model(config) == {"batch_size": 2}
    assert describe_runtime(config) == {"debug": True}


NAMES = st.sampled_from(["model", "runtime", "debug", "dtype", "engine_kwargs", "use_llm_x", "a", ""])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.integers(), inner, max_size=4)
    ),
)


@patient
@given(VALUES)
def test_whatever_is_configured_what_is_said_is_json(config: Any) -> None:
    for described in (describe_model(config), describe_runtime(config)):
        json.dumps(described, allow_nan=False)
