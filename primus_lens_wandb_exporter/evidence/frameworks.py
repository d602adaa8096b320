"""Which training frameworks are loaded: what stands in `sys.modules`, and nothing more.

A module that is merely installed is not evidence of what runs, and importing one to find out could
initialise a GPU. Order is precedence: the telemetry-processor takes the first of a layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional

from . import in_use
from .probe import Probe, contents

UseReader = Callable[[Probe], Optional[bool]]


class Framework(NamedTuple):
    """One framework of the table.

    `modules` give it away, any of them. `unless` another framework of that layer (or of `any`) is
    named already, which would be the more specific answer. Some are part of another package and
    loaded with it: they count only when they are seen `in use`.
    """

    name: str
    layer: str  # wrapper or base
    modules: tuple[str, ...]
    package: str = ""  # whose version it has, where that is not the module's name
    reads_use: UseReader | None = None
    unless: str = ""
    only_in_use: bool = False
    instead_of: tuple[str, ...] = ()  # what it is built on and loads itself


FRAMEWORKS = (
    Framework("primus", "wrapper", ("primus",)),
    Framework("nemo", "wrapper", ("nemo",), "nemo-toolkit", instead_of=("lightning",)),
    Framework("verl", "wrapper", ("verl",)),
    Framework("composer", "wrapper", ("composer.trainer",), "mosaicml"),
    Framework("torchtune", "wrapper", ("torchtune",)),
    Framework("lightning", "wrapper", ("lightning.pytorch", "pytorch_lightning")),
    Framework("ray_train", "wrapper", ("ray.train",), "ray", in_use.ray_train),
    Framework("trl", "wrapper", ("trl",)),
    Framework("transformers_trainer", "wrapper", ("transformers.trainer",), unless="wrapper"),
    Framework("accelerate", "wrapper", ("accelerate",), "", in_use.accelerate, unless="wrapper"),
    Framework(
        "megatron",
        "base",
        ("megatron.training", "megatron.core", "megatron"),
        "megatron-core",
        in_use.megatron,
    ),
    Framework("deepspeed", "base", ("deepspeed",), "", in_use.deepspeed),
    Framework("jax", "base", ("jax",), "", in_use.jax),
    Framework("fsdp", "base", ("torch.distributed.fsdp",), "torch", in_use.fsdp, only_in_use=True),
    Framework("transformers", "base", ("transformers",), unless="any"),
    Framework("pytorch", "base", ("torch",), unless="base"),
    Framework("tensorflow", "base", ("tensorflow",), "", in_use.tensorflow, unless="base"),
    Framework("keras", "base", ("keras",), unless="base"),
)


def is_loading(probe: Probe) -> bool:
    """Return whether some framework is in the middle of its import, which may bring in others."""
    for framework in FRAMEWORKS:
        top = probe.module(framework.modules[0].partition(".")[0])
        if getattr(contents(top).get("__spec__"), "_initializing", False):
            return True
    return False


def find_names(probe: Probe) -> list[str]:
    """Return the frameworks that are loaded and worth naming, in order of precedence.

    Reads dictionaries and nothing else: the user's thread may be waiting. What is known not to be in use
    was perhaps only imported because it is installed, and is named where its layer has nothing else.
    """
    loaded = {framework.name: framework for framework in _loaded(probe)}
    overshadowed = {name for framework in loaded.values() for name in framework.instead_of}
    uses = {name: _read_use(framework, probe) for name, framework in loaded.items()}
    named: dict[str, str] = {}  # and the layer of each
    for idle in (False, True):
        for name, framework in loaded.items():
            unless = framework.layer if idle and framework.unless != "any" else framework.unless
            if (
                name not in overshadowed
                and (uses[name] is False) == idle
                and unless not in named.values()
                and not (unless == "any" and named)
                and (uses[name] or not framework.only_in_use)
            ):
                named[name] = framework.layer
    return [name for name in loaded if name in named]


def find_loaded(probe: Probe) -> dict[str, dict[str, Any]]:
    """Return those by name, each with `layer`, `detected` (true), `version`, and `in_use` if known."""
    names = find_names(probe)
    return {
        framework.name: _describe(framework, probe)
        for framework in FRAMEWORKS
        if framework.name in names
    }


def collect(probe: Probe) -> dict[str, dict[str, Any]]:
    """Return `wrapper_frameworks` and `base_frameworks` of the evidence, each by name."""
    found: dict[str, dict[str, Any]] = {"wrapper": {}, "base": {}}
    for name, described in find_loaded(probe).items():
        found[described.pop("layer")][name] = described
    if "primus" in found["wrapper"]:  # the processor looks for it here
        backend = probe.environ.get("PRIMUS_BACKEND", "")[:64].lower() or next(iter(found["base"]), "")
        found["wrapper"]["primus"]["base_framework"] = backend
    return {"wrapper_frameworks": found["wrapper"], "base_frameworks": found["base"]}


def _loaded(probe: Probe) -> Iterator[Framework]:
    for framework in FRAMEWORKS:
        if any(probe.module(name) is not None for name in framework.modules):
            yield framework


def _read_use(framework: Framework, probe: Probe) -> bool | None:
    return framework.reads_use(probe) if framework.reads_use is not None else None


def _describe(framework: Framework, probe: Probe) -> dict[str, Any]:
    module = next(name for name in framework.modules if probe.module(name) is not None)
    found: dict[str, Any] = {
        "layer": framework.layer,
        "detected": True,
        "version": probe.version_of(module, framework.package)
        or probe.version_of(module.partition(".")[0], framework.package),
    }
    use = _read_use(framework, probe)
    if use is not None:
        found["in_use"] = use
    return found
