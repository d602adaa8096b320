"""Evidence and hints: what a made-up world says of itself, and that looking leaves no trace."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from primus_lens_wandb_exporter import evidence, guard, payloads
from primus_lens_wandb_exporter.evidence import Probe, environment, frameworks, pytorch
from primus_lens_wandb_exporter.evidence.run import describe
from primus_lens_wandb_exporter.hints import build_hints
from primus_lens_wandb_exporter.settings import Settings

from .support import contract

RUN = {"project": "p", "name": "n", "id": "run-1", "config": {"lr": 0.1}, "tags": ["a"]}


class Tripwire(ModuleType):
    """A module that reports whoever reads an attribute that it would have to make up."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{self.__name__}.{name} was touched")


def module(name: str, **attributes: Any) -> ModuleType:
    made = Tripwire(name)
    vars(made).update(attributes)
    return made


def world(*modules: ModuleType, **environ: str) -> Probe:
    """Return a world with these modules loaded and these variables set."""
    return Probe(environ=environ, modules={made.__name__: made for made in modules})


class Version(str):
    """As torch's: a string with manners of its own."""


TORCH = module("torch", __version__=Version("2.9.0+rocm6.4"))
TORCH_CUDA = module("torch.cuda", _initialized=False)
TORCH_VERSION = module("torch.version", cuda=None, hip="6.4.43482")


def test_only_allow_listed_variables_are_collected() -> None:
    probe = world(
        RANK="3",
        CUDA_VISIBLE_DEVICES="",
        PRIMUS_CONFIG="/exp.yaml",
        WANDB_API_KEY="k",
        HF_TOKEN="t",
        AWS_SECRET_ACCESS_KEY="s",
        RANKS="not this",
        rank="nor this",
        PATH="/bin",
    )
    assert environment.collect(probe) == {
        "CUDA_VISIBLE_DEVICES": "",
        "PRIMUS_CONFIG": "/exp.yaml",
        "RANK": "3",
    }


def test_a_long_variable_is_cut() -> None:
    (value,) = environment.collect(world(CUDA_VISIBLE_DEVICES="0," * 10_000)).values()
    assert len(value) == 1024


def test_no_allowed_name_is_the_name_of_a_secret() -> None:
    from primus_lens_wandb_exporter.evidence.redaction import looks_secret

    assert not [name for name in environment.ALLOWED if looks_secret(name)]


def test_a_process_without_torch_says_so() -> None:
    assert pytorch.collect(world()) == {
        "available": False,
        "version": "",
        "cuda_available": False,
        "detected_modules": {},
    }


@pytest.mark.parametrize("initialised", [False, True])
def test_torch_is_read_without_a_call(initialised: bool) -> None:
    cuda = module("torch.cuda", _initialized=initialised)
    found = pytorch.collect(world(TORCH, cuda, TORCH_VERSION, module("deepspeed")))
    assert found["version"] == "2.9.0+rocm6.4"
    assert type(found["version"]) is str
    assert found["hip_version"] == "6.4.43482"
    assert found["cuda_version"] == ""
    assert found["cuda_available"] is initialised
    assert [name for name, loaded in found["detected_modules"].items() if loaded] == ["deepspeed"]


@pytest.mark.parametrize(
    ("modules", "wrappers", "bases"),
    [
        ((), [], []),
        (("torch",), [], ["pytorch"]),
        (("torch", "lightning", "lightning.pytorch"), ["lightning"], ["pytorch"]),
        (("torch", "lightning"), [], ["pytorch"]),
        (("torch", "pytorch_lightning"), ["lightning"], ["pytorch"]),
        (("torch", "transformers"), [], ["transformers"]),
        (
            ("torch", "transformers", "transformers.trainer", "accelerate"),
            ["transformers_trainer"],
            ["transformers"],
        ),
        (("torch", "accelerate"), ["accelerate"], ["pytorch"]),
        (("torch", "deepspeed", "transformers"), [], ["deepspeed"]),
        (("torch", "primus", "megatron", "megatron.core"), ["primus"], ["megatron"]),
        (("jax",), [], ["jax"]),
        (("torchvision", "jaxlib", "deepspeed_fake"), [], []),
    ],
)
def test_loaded_modules_name_the_frameworks(
    modules: tuple[str, ...], wrappers: list[str], bases: list[str]
) -> None:
    probe = world(*(module(name) for name in modules))
    assert list(frameworks.collect_wrappers(probe)) == wrappers
    assert list(frameworks.collect_bases(probe)) == bases


def test_a_framework_comes_with_the_version_of_its_package() -> None:
    probe = world(module("lightning", __version__="2.5.0"), module("lightning.pytorch"))
    assert frameworks.collect_wrappers(probe)["lightning"] == {"detected": True, "version": "2.5.0"}


def test_a_module_that_somebody_forbade_counts_as_not_loaded() -> None:
    probe = Probe(environ={}, modules={"torch": None, "jax": None})  # type: ignore[dict-item]
    assert frameworks.collect_bases(probe) == {}
    assert pytorch.collect(probe)["available"] is False


def test_looking_at_this_process_imports_and_starts_nothing() -> None:
    modules, threads, environ = set(sys.modules), threading.active_count(), dict(os.environ)
    evidence.collect(Probe(), RUN)
    assert not [name for name in set(sys.modules) - modules if not name.startswith("primus_lens")]
    assert threading.active_count() == threads
    assert dict(os.environ) == environ


def record(probe: Probe) -> dict[str, Any]:
    """Return the detection record of a world, checked."""
    found = evidence.collect(probe, RUN)
    settings = Settings(workload_uid="workload-1")
    envelope = payloads.detection_envelope(settings, found, build_hints(found), 1.7e9)
    return contract.check(envelope.path, envelope.body())


@pytest.mark.parametrize(
    "probe",
    [
        Probe(),
        world(),
        world(TORCH, TORCH_CUDA, TORCH_VERSION, module("deepspeed", __version__=(0, 1)), RANK="0"),
        world(module("primus", __version__=None), PRIMUS_CONFIG="c", JAX_BACKEND="gpu"),
    ],
    ids=["this process", "an empty one", "torch", "primus"],
)
def test_a_detection_record_keeps_the_contract(probe: Probe) -> None:
    assert record(probe)["evidence"]["wandb"]["id"] == "run-1"


def test_a_source_that_fails_is_left_out_and_the_rest_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "reraise", False)
    monkeypatch.setattr(guard, "internal_errors", 0)
    monkeypatch.setitem(evidence._SOURCES, "pytorch", lambda probe: 1 / 0)
    found = evidence.collect(world(RANK="1"), RUN)
    assert "pytorch" not in found
    assert found["environment"] == {"RANK": "1"}
    assert found["wandb"] == RUN
    assert guard.internal_errors == 1


def test_small_files_are_read_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "sys").mkdir()
    (tmp_path / "sys" / "name").write_bytes(b"gfx942\xff" + b"x" * 100)
    probe = Probe(root=str(tmp_path))
    assert probe.read_text("/sys/name", limit=8) == "gfx942\ufffdx"
    assert probe.read_text("/sys/missing") is None
    assert probe.read_text("/sys") is None
    assert (probe.read_text("/sys\0"), probe.list_folder("/sys\0")) == (None, [])


def test_a_run_is_described_in_plain_text_without_its_secrets() -> None:
    run = SimpleNamespace(
        project=lambda: "odd", id="run-1", config={"lr": 0.1, "api_key": "hunter2"}, tags=("a", 1)
    )
    described = describe(run)
    assert (described["id"], described["name"], described["tags"]) == ("run-1", "", ["a", "1"])
    assert described["config"] == {"lr": 0.1, "api_key": "[redacted]"}
    json.dumps(described)


def hints_of(
    wrappers: tuple[str, ...] = (), bases: tuple[str, ...] = (), config: Any = None, **environ: str
) -> dict[str, Any]:
    return build_hints(
        {
            "wandb": {"config": config or {}},
            "wrapper_frameworks": {name: {"detected": True} for name in wrappers},
            "base_frameworks": {name: {"detected": True} for name in bases},
            "environment": environ,
        }
    )


def test_a_loaded_module_is_a_strong_hint() -> None:
    hints = hints_of(("lightning",), ("pytorch",))
    assert hints["confidence"] == "high"
    assert hints["possible_frameworks"] == ["lightning", "pytorch"]
    assert hints["primary_indicators"] == ["modules.lightning", "modules.pytorch"]
    assert hints["framework_layers"] == {
        "lightning": {"layer": "wrapper", "base_frameworks": ["pytorch"]},
        "pytorch": {"layer": "base", "wrapper_frameworks": ["lightning"]},
    }


def test_the_environment_alone_is_a_hint_of_medium_strength() -> None:
    hints = hints_of(PRIMUS_CONFIG="c", MEGATRON_LM_PATH="/m")
    assert hints["confidence"] == "medium"
    assert (hints["wrapper_frameworks"], hints["base_frameworks"]) == (["primus"], ["megatron"])


def test_the_environment_adds_to_what_is_loaded_and_names_nothing_twice() -> None:
    hints = hints_of(("primus",), ("pytorch",), PRIMUS_CONFIG="c", PRIMUS_BACKEND="b", DS_CONFIG="d")
    assert hints["confidence"] == "high"
    assert hints["wrapper_frameworks"] == ["primus"]
    assert hints["base_frameworks"] == ["pytorch", "deepspeed"]
    assert len(hints["primary_indicators"]) == 5


@pytest.mark.parametrize("config", [{}, {"framework": "jax"}, "no mapping", None])
def test_a_config_alone_is_a_weak_hint(config: Any) -> None:
    hints = hints_of(config=config)
    assert hints["confidence"] == "low"
    assert hints["possible_frameworks"] == []
    assert ("wandb_config.framework" in hints["primary_indicators"]) == (config == {"framework": "jax"})


def test_no_evidence_at_all_gives_hints_all_the_same() -> None:
    assert build_hints({})["confidence"] == "low"
