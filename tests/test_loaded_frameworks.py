"""Which frameworks are named, by what is loaded; reading it touches nothing."""

from __future__ import annotations

import enum
from types import SimpleNamespace
from typing import Any

import pytest

from primus_lens_wandb_exporter.evidence import Probe, frameworks, pytorch
from primus_lens_wandb_exporter.evidence.frameworks import (
    FRAMEWORKS,
    find_loaded,
    find_names,
    is_loading,
)

from .support.worlds import Uncallable, module, world


class Version(str):
    """As torch's: a string with manners of its own."""


TORCH = module("torch", __version__=Version("2.9.0+rocm6.4"))
TORCH_VERSION = module("torch.version", cuda=None, hip="6.4.43482")


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
    assert "distributed" not in found


def test_a_process_group_is_told_by_its_backend_and_size() -> None:
    group = Uncallable()
    tables = module(
        "torch.distributed.distributed_c10d",
        _world=SimpleNamespace(_default_pg=group),
        _pg_map={group: ("nccl", None)},
        _pg_group_ranks={group: {rank: rank for rank in range(16)}},
    )
    found = pytorch.collect(world(TORCH, tables))
    assert found["distributed"] == {"backend": "nccl", "world_size": 16}


def test_a_torch_that_keeps_its_groups_elsewhere_has_none_to_show() -> None:
    for tables in (module("torch.distributed.distributed_c10d"), module("torch.distributed")):
        assert "distributed" not in pytorch.collect(world(TORCH, tables))


@pytest.mark.parametrize(
    ("modules", "wrappers", "bases"),
    [
        ("", [], []),
        ("torch", [], ["pytorch"]),
        ("torch lightning lightning.pytorch", ["lightning"], ["pytorch"]),
        ("torch lightning", [], ["pytorch"]),
        ("torch pytorch_lightning", ["lightning"], ["pytorch"]),
        ("torch transformers", [], ["transformers"]),
        ("torch transformers transformers.trainer accelerate", ["transformers_trainer"], ["pytorch"]),
        ("torch accelerate", ["accelerate"], ["pytorch"]),
        ("torch accelerate transformers", ["accelerate"], ["pytorch"]),
        ("torch transformers transformers.trainer accelerate trl", ["trl"], ["pytorch"]),
        ("torch nemo lightning.pytorch megatron.core transformers", ["nemo"], ["megatron"]),
        ("torch composer composer.trainer", ["composer"], ["pytorch"]),
        ("torch torchtune", ["torchtune"], ["pytorch"]),
        ("torch ray ray.train", ["ray_train"], ["pytorch"]),
        ("torch ray", [], ["pytorch"]),
        ("torch verl ray transformers megatron.core", ["verl"], ["megatron"]),
        ("torch deepspeed transformers", [], ["deepspeed"]),
        ("torch deepspeed transformers.trainer", ["transformers_trainer"], ["deepspeed"]),
        ("torch primus megatron megatron.training megatron.core", ["primus"], ["megatron"]),
        ("torch megatron.core deepspeed", [], ["megatron", "deepspeed"]),
        ("jax flax", [], ["jax"]),
        ("torch torch.distributed.fsdp", [], ["pytorch"]),
        ("torch tensorflow", [], ["pytorch"]),
        ("tensorflow keras", [], ["tensorflow"]),
        ("keras", [], ["keras"]),
        ("torchvision jaxlib deepspeed_fake megatron_fake", [], []),
    ],
)
def test_loaded_modules_name_the_frameworks(modules: str, wrappers: list[str], bases: list[str]) -> None:
    found = frameworks.collect(world(*map(module, modules.split())))
    assert list(found["wrapper_frameworks"]) == wrappers
    assert list(found["base_frameworks"]) == bases


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_each_framework_of_the_table_can_be_named(framework: frameworks.Framework) -> None:
    sharded = module("torch.distributed.fsdp._fully_shard._fully_shard", cls_to_fsdp_cls={1: 2})
    for name in framework.modules:
        loaded = {module(name), *([sharded] if framework.only_in_use else [])}
        assert list(find_loaded(world(*loaded))) == [framework.name]


def test_a_framework_comes_with_the_version_of_its_module_or_its_package() -> None:
    probe = world(module("lightning", __version__="2.5.0"), module("lightning.pytorch"))
    assert find_loaded(probe)["lightning"]["version"] == "2.5.0"
    probe = world(module("nemo"))
    vars(probe)["_packages"] = {"nemo-toolkit": "2.4.0", "nemo": "0.1"}
    assert find_loaded(probe)["nemo"]["version"] == "2.4.0"


def test_a_module_that_somebody_forbade_counts_as_not_loaded() -> None:
    probe = Probe(environ={}, modules={"torch": None, "jax": None})  # type: ignore[dict-item]
    assert frameworks.collect(probe) == {"wrapper_frameworks": {}, "base_frameworks": {}}
    assert pytorch.collect(probe)["available"] is False


@pytest.mark.parametrize(
    ("modules", "environ", "base"),
    [
        ("primus megatron.core", {}, "megatron"),
        ("primus megatron.core", {"PRIMUS_BACKEND": "TorchTitan"}, "torchtitan"),
        ("primus", {}, ""),
    ],
)
def test_primus_says_what_it_wraps(modules: str, environ: dict[str, str], base: str) -> None:
    found = frameworks.collect(world(*map(module, modules.split()), **environ))
    assert found["wrapper_frameworks"]["primus"]["base_framework"] == base


class Kind(enum.Enum):
    """As accelerate's DistributedType."""

    FSDP = "FSDP"
    NO = "NO"


def accelerate_state(**shared: Any) -> Any:
    return type("AcceleratorState", (), {"_shared_state": shared})


@pytest.mark.parametrize(
    ("framework", "home", "idle", "busy"),
    [
        ("deepspeed", "deepspeed.comm.comm", {"cdb": None}, {"cdb": Uncallable()}),
        ("jax", "jax._src.xla_bridge", {"_backends": {}}, {"_backends": {"cpu": Uncallable()}}),
        (
            "megatron",
            "megatron.core.parallel_state",
            {"_TENSOR_MODEL_PARALLEL_GROUP": None},
            {"_TENSOR_MODEL_PARALLEL_GROUP": Uncallable()},
        ),
        (
            "tensorflow",
            "tensorflow.python.eager.context",
            {"_context": None},
            {"_context": Uncallable()},
        ),
        ("ray_train", "ray.train._internal.session", {"_session": None}, {"_session": Uncallable()}),
        (
            "ray_train",
            "ray.train.v2._internal.execution.train_fn_utils",
            {"_train_fn_utils": None},
            {"_train_fn_utils": Uncallable()},
        ),
        (
            "accelerate",
            "accelerate.state",
            {"PartialState": accelerate_state()},
            {"PartialState": accelerate_state(device="cpu")},
        ),
    ],
)
def test_a_loaded_framework_is_in_use_or_not_or_that_is_not_known(
    framework: str, home: str, idle: dict[str, Any], busy: dict[str, Any]
) -> None:
    (described,) = [known for known in FRAMEWORKS if known.name == framework]
    loaded = module(described.modules[0])
    assert "in_use" not in find_loaded(world(loaded))[framework]
    assert "in_use" not in find_loaded(world(loaded, module(home)))[framework]
    assert find_loaded(world(loaded, module(home, **idle)))[framework]["in_use"] is False
    assert find_loaded(world(loaded, module(home, **busy)))[framework]["in_use"] is True


@pytest.mark.parametrize(
    ("home", "attributes", "named"),
    [
        ("torch.distributed.fsdp._fully_shard._fully_shard", {"cls_to_fsdp_cls": {}}, False),
        ("torch.distributed.fsdp._fully_shard._fully_shard", {"cls_to_fsdp_cls": {1: 2}}, True),
        ("accelerate.state", {"AcceleratorState": accelerate_state()}, False),
        ("accelerate.state", {"AcceleratorState": accelerate_state(distributed_type=Kind.NO)}, False),
        ("accelerate.state", {"AcceleratorState": accelerate_state(distributed_type=Kind.FSDP)}, True),
        ("accelerate.state", {"AcceleratorState": accelerate_state(distributed_type="odd")}, False),
    ],
)
def test_fsdp_which_comes_with_torch_counts_when_it_is_seen_in_use(
    home: str, attributes: dict[str, Any], named: bool
) -> None:
    probe = world(TORCH, module("torch.distributed.fsdp"), module(home, **attributes))
    assert list(find_loaded(probe)) == (["fsdp"] if named else ["pytorch"])


def test_a_framework_in_the_middle_of_its_import_is_seen_to_be() -> None:
    spec = SimpleNamespace(_initializing=True)
    lightning = module("lightning", __spec__=spec)
    probe = world(TORCH, lightning, module("lightning.pytorch"))
    assert is_loading(probe)
    spec._initializing = False
    assert not is_loading(probe)
    assert not is_loading(world())


IDLE_JAX = module("jax._src.xla_bridge", _backends={})
IDLE_DEEPSPEED = module("deepspeed.comm.comm", cdb=None)
IDLE_RAY = module("ray.train._internal.session", _session=None)


@pytest.mark.parametrize(
    ("modules", "idle", "named"),
    [
        ("torch jax", IDLE_JAX, ["pytorch"]),
        ("jax", IDLE_JAX, ["jax"]),
        ("torch lightning.pytorch deepspeed", IDLE_DEEPSPEED, ["lightning", "pytorch"]),
        ("torch transformers.trainer ray.train", IDLE_RAY, ["transformers_trainer", "pytorch"]),
    ],
)
def test_what_is_known_not_to_be_in_use_gives_way(modules: str, idle: Any, named: list[str]) -> None:
    assert find_names(world(*map(module, modules.split()), idle)) == named


def test_names_are_found_without_looking_at_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> Any:
        raise AssertionError("looked at the disk")

    monkeypatch.setattr(Probe, "_list_packages", refuse)
    assert find_names(world(module("transformers.trainer"), module("primus"))) == ["primus"]


class Slotted:
    """As odd as a thing in `sys.modules` may be."""

    __slots__ = ()


def test_an_odd_thing_among_the_modules_costs_nothing_but_its_version() -> None:
    modules: Any = {"jax": Slotted(), "torch": Slotted(), "torch.version": Slotted()}
    probe = Probe(environ={}, modules=modules, root="/nowhere", search_path=())
    assert find_loaded(probe)["jax"]["version"] == ""
    assert pytorch.collect(probe)["available"] is True
    assert not is_loading(probe)
