"""Which training frameworks are loaded: what stands in `sys.modules`, and nothing more.

A module that is merely installed is not evidence of what runs, and importing one to find out could
initialise a GPU. Order is precedence: the telemetry-processor takes the first of a layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, NamedTuple, Optional

from . import in_use
from .probe import Probe

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
        spec = None if top is None else vars(top).get("__spec__")
        if getattr(spec, "_initializing", False):
            return True
    return False


def find_loaded(probe: Probe) -> dict[str, dict[str, Any]]:
    """Return the frameworks that are loaded and worth naming, by name, in order of precedence.

    Each with `layer`, `detected` (true), `version`, and `in_use` where that can be read.
    """
    loaded = {framework.name: framework for framework in _loaded(probe)}
    overshadowed = {name for framework in loaded.values() for name in framework.instead_of}
    named: dict[str, dict[str, Any]] = {}
    for name, framework in loaded.items():
        layers = {known["layer"] for known in named.values()}
        if name in overshadowed or framework.unless in layers or (framework.unless == "any" and named):
            continue
        found = _describe(framework, probe)
        if not framework.only_in_use or found.get("in_use"):
            named[name] = found
    return named


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


def _describe(framework: Framework, probe: Probe) -> dict[str, Any]:
    module = next(name for name in framework.modules if probe.module(name) is not None)
    found: dict[str, Any] = {
        "layer": framework.layer,
        "detected": True,
        "version": probe.version_of(module, framework.package)
        or probe.version_of(module.partition(".")[0], framework.package),
    }
    use = framework.reads_use(probe) if framework.reads_use is not None else None
    if use is not None:
        found["in_use"] = use
    return found
