"""How process, machine and visible GPUs are used: by `psutil`, NVML and amdgpu's files.

The samples go to the telemetry-processor under the run and step that were logged last, never into the
user's W&B run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from threading import RLock
from time import monotonic
from typing import Any, Callable

from .delivery.courtesy import give_way
from .evidence import Collector
from .evidence.gpu import Inventory
from .evidence.gpu.usage import UsageReader
from .payloads import LogCall

_MIB = 1024 * 1024
_SYSTEM = "primus_lens.system."
_PROCESS = "primus_lens.process."
_GPU = "primus_lens.gpu."


class Sampler:
    """Takes a sample every `interval` seconds while a run is open.

    Args:
        collector: knows the GPUs, and has patience with what may hang.
        newest: returns the log call that was queued last, if it still waits.
        offer: takes the run's id, the step and the measurements by name.
    """

    def __init__(
        self,
        psutil: Any,
        collector: Collector,
        newest: Callable[[], LogCall | None],
        offer: Callable[[str, int, Mapping[str, float]], None],
        interval: float,
    ) -> None:
        self._collector = collector
        self._machine = MachineReader(psutil)
        self._gpus: UsageReader | None = None
        self._newest = newest
        self._offer = offer
        self._interval = interval
        self._steps: dict[str, int] = {}  # of the open runs, the one that logged last at the end
        self._changing = RLock()
        self._begun = False
        self.due_at = 0.0

    def follow(self, run_id: str) -> None:
        """Attribute what is measured from now on to a run that has begun."""
        self._steps[run_id] = 0

    def note_call(self, call: LogCall) -> None:
        """Attribute it to the run and step of this log call, if the run is still open."""
        run_id, _, step, _, _ = call
        with self._changing:
            if self._steps.pop(run_id, None) is not None:
                self._steps[run_id] = step

    def leave(self, run_id: str) -> None:
        """Attribute nothing to a run any more."""
        with self._changing:
            self._steps.pop(run_id, None)

    def perform(self) -> None:
        """Take a sample and offer it; the first one is only what the next is compared with."""
        self.due_at = monotonic() + self._interval
        if not self._steps:
            self._begun = False
            return
        # By the worker itself: psutil remembers for each thread what it read last.
        sample = self._machine.read()
        newest = self._newest()
        if newest is not None:
            self.note_call(newest)
        latest = next(reversed(list(self._steps.items())), None)
        if self._begun and latest is not None:
            inventory = self._collector.inventory  # asked here: who is asked may not ask in turn
            if inventory is not None:
                sample.update(self._collector.ask("gpu usage", lambda: self._read_gpus(inventory)) or {})
            self._offer(*latest, sample)
        self._begun = True

    def _read_gpus(self, inventory: Inventory) -> dict[str, float]:
        if self._gpus is None:
            self._gpus = UsageReader(self._collector.probe, inventory)
        return {
            f"{_GPU}{index}.{name}": value
            for index, usage in enumerate(self._gpus.read())
            for name, value in usage.items()
        }


class MachineReader:
    """Measures with `psutil`; what it cannot read here is left out.

    CPU percentages and rates are averages since the reading before.
    """

    def __init__(self, psutil: Any) -> None:
        self._psutil = psutil
        self._process: Any = None
        self._read_at = 0.0
        self._counters: dict[str, float] = {}

    def read(self) -> dict[str, float]:
        """Return measurements by name: percent, MiB, MiB a second, counts."""
        sample: dict[str, float] = {}
        for measure in (self._processor, self._memory, self._own, self._traffic):
            try:
                sample.update(measure())
                give_way()
            except Exception:  # where `/proc` is hidden, for instance, or there are no disks to be seen
                pass
        return sample

    def _processor(self) -> Iterator[tuple[str, float]]:
        cores = self._psutil.cpu_percent(percpu=True)
        yield _SYSTEM + "cpu_percent", sum(cores) / len(cores)
        for index, percent in enumerate(cores):
            yield f"{_SYSTEM}cpu.{index}.percent", float(percent)

    def _memory(self) -> Iterator[tuple[str, float]]:
        memory = self._psutil.virtual_memory()
        yield _SYSTEM + "memory_percent", float(memory.percent)
        yield _SYSTEM + "memory_used_mib", (memory.total - memory.available) / _MIB
        yield _SYSTEM + "disk_percent", float(self._psutil.disk_usage("/").percent)

    def _own(self) -> Iterator[tuple[str, float]]:
        if self._process is None:
            self._process = self._psutil.Process()
        with self._process.oneshot():
            yield _PROCESS + "cpu_percent", float(self._process.cpu_percent())
            yield _PROCESS + "rss_mib", self._process.memory_info().rss / _MIB
            yield _PROCESS + "threads", float(self._process.num_threads())

    def _traffic(self) -> Iterator[tuple[str, float]]:
        disk, network = self._psutil.disk_io_counters(), self._psutil.net_io_counters()
        now, counters = monotonic(), {}
        if disk is not None:
            counters["disk_read"], counters["disk_written"] = disk.read_bytes, disk.write_bytes
        if network is not None:
            counters["network_received"] = network.bytes_recv
            counters["network_sent"] = network.bytes_sent
        seconds, before = now - self._read_at, self._counters
        self._read_at, self._counters = now, counters
        for name in counters.keys() & before.keys():
            rate = max(0, counters[name] - before[name]) / _MIB / seconds
            yield f"{_SYSTEM}{name}_mib_per_second", rate


def load_psutil() -> Any:
    """Return the module, or None where it is missing or broken."""
    try:
        import psutil
    except Exception:  # it loads a compiled part, which may not fit this machine
        return None
    return psutil
