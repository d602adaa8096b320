"""What runs here and on what: one file a source, each a function of a `Probe`.

No framework is imported, called or initialised, nothing is written, and no process is started. Of
NVIDIA's GPUs NVML is asked, which makes no CUDA context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable

from .. import guard
from ..delivery.courtesy import give_way
from ..patience import Patience
from . import build, environment, frameworks, git, hardware, pytorch, shape, software
from .compute import describe_compute
from .gpu import Inventory, take_inventory
from .probe import Probe as Probe
from .redaction import redact

_SECONDS = 0.5  # for one source


class Collector:
    """Collects the evidence of a detection record.

    Each source has `seconds` of its own: one that fails, hangs or returns garbage costs its own field.
    What cannot change while the process lives is asked once.
    """

    def __init__(self, probe: Probe | None = None, seconds: float = _SECONDS) -> None:
        self.probe = probe if probe is not None else Probe()
        self._patience = Patience(seconds)
        self._lasting: dict[str, Any] = {}

    def collect(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return the evidence, fit to be sent: typed as the contract says, without secrets.

        Args:
            run: what `run.describe` said of the W&B run.
        """
        probe = self.probe
        inventory = self.inventory
        repository = self._ask_once("git", lambda: git.collect(probe)) or {}
        packages = self._ask_once("software", lambda: software.collect(probe))
        found: dict[str, Any] = {
            "wandb": run,
            "environment": self.ask("environment", lambda: environment.collect(probe)),
            "pytorch": self.ask("pytorch", lambda: pytorch.collect(probe)),
            **_mapping(self.ask("frameworks", lambda: frameworks.collect(probe))),
            "hardware": self.ask("hardware", lambda: hardware.describe(inventory)),
            "system": self.describe_compute(run.get("config")),
            "software": {
                **({} if packages is None else {"packages": packages}),
                "rocm_version": inventory.rocm_version,
            },
            "build": self._ask_once("build", lambda: build.merge(build.collect(probe), repository)),
            "git": repository or None,
        }
        evidence: dict[str, Any] = {}
        for name, value in found.items():
            if value is not None:
                with guard.boundary:
                    evidence[name] = _fit_to_send(name, value)
                give_way()
        return evidence

    @property
    def inventory(self) -> Inventory:
        """The GPUs; an empty inventory while it cannot be taken."""
        return self._ask_once("gpu", lambda: take_inventory(self.probe)) or Inventory()

    def describe_compute(self, config: Any) -> Any:
        """Return the compute metadata, or None if it cannot be collected in time."""
        seen = self.inventory
        return self.ask(
            "system", lambda: describe_compute(self.probe, config, seen.gpus, seen.host_count)
        )

    def ask(self, name: str, source: Callable[[], Any]) -> Any:
        """Return what a source says, or None if it fails or hangs."""
        answer = None
        with guard.boundary:
            answer = self._patience.call(name, source)
        give_way()
        return answer

    def _ask_once(self, name: str, source: Callable[[], Any]) -> Any:
        if name not in self._lasting:
            answer = self.ask(name, source)
            if answer is None:  # perhaps the next time
                return None
            self._lasting[name] = answer
        return self._lasting[name]


def _mapping(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, Mapping) else {}


def _fit_to_send(name: str, value: Any) -> Any:
    fitting, misfits = shape.fit(redact(value), shape.EVIDENCE[name], name)
    for misfit in misfits:
        with guard.boundary:
            raise misfit
    return fitting
