"""What runs here and on what: one file a source, each a function of a `Probe`.

No framework is imported, called or initialised, nothing is written, and no process is started. Of
NVIDIA's GPUs NVML is asked, which makes no CUDA context.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import RLock
from time import monotonic
from typing import Any, Callable

from .. import guard
from ..delivery.courtesy import give_way
from ..patience import OutOfPatience, Patience
from . import build, environment, frameworks, git, hardware, pytorch, shape, software
from .compute import describe_compute
from .gpu import Inventory, take_inventory
from .probe import Probe as Probe
from .redaction import redact

_SECONDS = 0.5  # for one source
_SECONDS_IN_ALL = 1.5  # for one record: a SIGTERM leaves two


class Collector:
    """Collects the evidence of a detection record.

    Each source has `seconds` of its own: one that fails, hangs or returns garbage costs its own field.
    What cannot change while the process lives is asked once. Any thread may ask.
    """

    def __init__(self, probe: Probe | None = None, seconds: float = _SECONDS) -> None:
        self.probe = probe if probe is not None else Probe()
        self._seconds = seconds
        self._in_all = max(seconds, _SECONDS_IN_ALL)
        self._ends = 0.0  # of what is being collected; 0: nothing is
        self._patience = Patience()
        self._lasting: dict[str, Any] = {}
        self._asking = RLock()

    def collect(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return the evidence, fit to be sent: typed as the contract says, without secrets.

        Args:
            run: what `run.describe` said of the W&B run.
        """
        with self._asking:
            self._ends = monotonic() + self._in_all
            try:
                found = self._collect(run)
            finally:
                self._ends = 0.0
        evidence: dict[str, Any] = {}
        for name, value in found.items():
            if value is not None:
                with guard.boundary:
                    evidence[name] = _fit_to_send(name, value)
                give_way()
        return evidence

    def _collect(self, run: Mapping[str, Any]) -> dict[str, Any]:
        probe, inventory = self.probe, self.inventory
        repository = self._ask_once("git", lambda: git.collect(probe)) or {}
        packages = self._ask_once("packages", lambda: software.collect(probe))
        rocm = inventory.rocm_version if inventory is not None else ""
        return {
            "wandb": run,
            "environment": self.ask("environment", lambda: environment.collect(probe), safe=True),
            "pytorch": self.ask("pytorch", lambda: pytorch.collect(probe), safe=True),
            **_mapping(self.ask("frameworks", lambda: frameworks.collect(probe), safe=True)),
            "hardware": inventory
            and self.ask("hardware", lambda: hardware.describe(inventory), safe=True),
            "system": self.describe_compute(run.get("config")),
            "software": {**({} if packages is None else {"packages": packages}), "rocm_version": rocm},
            "build": self._ask_once("build", lambda: build.merge(build.collect(probe), repository)),
            "git": repository or None,
        }

    @property
    def inventory(self) -> Inventory | None:
        """The GPUs, or None as long as they are not known."""
        found: Inventory | None = self._ask_once("gpu", lambda: take_inventory(self.probe))
        return found

    @property
    def has_late_answers(self) -> bool:
        """Whether a source that hung has answered meanwhile."""
        return self._patience.has_late_answers

    def describe_compute(self, config: Any) -> dict[str, Any] | None:
        """Return the compute metadata, or None if they cannot be collected in time."""
        seen = self.inventory
        gpus, host_count = (seen.gpus, seen.host_count) if seen is not None else ((), 0)
        found = self.ask("system", lambda: describe_compute(self.probe, config, gpus, host_count))
        if not isinstance(found, dict):
            return None
        if seen is None and not found.get("compute.gpu_count"):  # not none, but not known
            return {name: value for name, value in found.items() if not name.startswith("compute.gpu")}
        return found

    def ask(self, name: str, source: Callable[[], Any], *, safe: bool = False) -> Any:
        """Return what a source says, or None if it fails or hangs; see `Patience.call`."""
        answer = None
        with self._asking, guard.boundary:
            left = self._ends - monotonic() if self._ends else self._seconds
            seconds = max(0.0, min(self._seconds, left))
            try:
                answer = self._patience.call(name, source, seconds, safe=safe)
            except OutOfPatience as error:  # is nobody's mistake
                guard.debug(guard.HOOK_PREFIX, f"evidence: {error}")
        give_way()
        return answer

    def _ask_once(self, name: str, source: Callable[[], Any]) -> Any:
        with self._asking:
            if name not in self._lasting:
                answer = self.ask(name, source)
                if answer is None:  # perhaps the next time
                    return None
                self._lasting[name] = answer
            return self._lasting[name]


def _mapping(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, Mapping) else {}


def _fit_to_send(name: str, value: Any) -> Any:
    if isinstance(value, Mapping) and "config" in value:  # has a measure of its own, and may need it
        rest = {inner: nested for inner, nested in value.items() if inner != "config"}
        value = {**redact(rest), "config": redact(value["config"])}
    else:
        value = redact(value)
    fitting, misfits = shape.fit(value, shape.EVIDENCE[name], name)
    for misfit in misfits:
        with guard.boundary:
            raise misfit
    return fitting
