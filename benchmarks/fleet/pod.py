"""One pod: the exporter as it is, and a job that logs at a pace of its own."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any, NamedTuple

from primus_lens_wandb_exporter.delivery.envelope import Envelope, Outcome, Sink, Verdict
from primus_lens_wandb_exporter.exporter import Exporter
from primus_lens_wandb_exporter.payloads import METRICS_PATH
from primus_lens_wandb_exporter.settings import Loaded, load

from ..stand_in import Run

_PODS_OF_A_WORKLOAD = 8
_INTERVAL = 1.0, 10.0  # seconds between two log calls, of the fastest job and of the slowest
_METRICS = 1, 20  # of a log call
_CONFIG = {f"group.option_{number}": number / 7 for number in range(50)}
ANSWERED = "ok"


class Job(NamedTuple):
    """What a pod's training logs: so many metrics, every so many seconds."""

    interval: float
    metrics: tuple[str, ...]


def job_of(number: int) -> Job:
    """Return the job of a pod, the same each time."""
    dice = random.Random(number)
    count = dice.randint(*_METRICS)
    return Job(dice.uniform(*_INTERVAL), tuple(f"train/metric_{index}" for index in range(count)))


def workload_of(number: int) -> str:
    """Return the name of the workload that a pod belongs to."""
    return f"fleet-{number // _PODS_OF_A_WORKLOAD}"


def run_of(number: int) -> str:
    """Return the id of a pod's run."""
    return f"run-{number}"


class Request(NamedTuple):
    """One request of one pod."""

    pod: int
    began: float  # monotonic seconds, which all processes share
    seconds: float
    answer: str  # "ok", or the exporter's word for what else it was
    points: int
    bytes: int  # of the body

    @property
    def ended(self) -> float:
        """When it was over (monotonic seconds)."""
        return self.began + self.seconds


class _WatchedSink:
    """Passes on, and notes each request."""

    def __init__(self, sink: Sink, number: int, requests: list[Request]) -> None:
        self._sink, self._number, self._requests = sink, number, requests

    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        """Send one envelope."""
        began = time.monotonic()
        outcome = self._sink.send(envelope, timeout)
        answer = ANSWERED if outcome.verdict is Verdict.SENT else outcome.reason
        points = envelope.weight if envelope.path == METRICS_PATH else 0
        seconds, size = time.monotonic() - began, len(envelope.body())
        self._requests.append(Request(self._number, began, seconds, answer, points, size))
        return outcome

    def close(self) -> None:
        """Close it."""
        self._sink.close()


class Pod:
    """A pod of the fleet, with its process's settings; its requests are added to a list.

    Attributes:
        calls: how often it has logged.
    """

    def __init__(self, number: int, base_url: str, requests: list[Request]) -> None:
        self.number = number
        self.job = job_of(number)
        self.calls = 0
        settings = replace(
            load().settings,
            workload_uid=workload_of(number),
            pod_name=f"pod-{number}",
            pod_uid=f"uid-{number}",
            pod_namespace="fleet",
            api_base_url=base_url,
            sigterm=False,  # the process is not this pod's alone
        )
        self._exporter = Exporter(Loaded(settings, {}, ()))
        self._exporter.herald.file = None  # for the same reason
        self._route = self._exporter.lanes["metrics"].route
        self._route.sink = _WatchedSink(self._route.sink, number, requests)
        self._run = Run(run_of(number))
        self._run.config = dict(_CONFIG)

    def start(self) -> None:
        """Begin the run, as `wandb.init` does."""
        self._exporter.announce(self._run)
        self._exporter.begin(self._run.id)

    def log(self) -> None:
        """Log the next step."""
        step = self.calls
        self.calls += 1
        metrics = {name: (step + place) / 7 for place, name in enumerate(self.job.metrics)}
        self._exporter.record(self._run.id, time.time(), step, metrics, {})

    @property
    def waiting(self) -> int:
        """How many log calls, points and records are still to be delivered, about."""
        lanes = self._exporter.lanes.values()
        return sum(len(lane.queue) + lane.in_hand for lane in lanes)

    def end(self) -> dict[str, Any]:
        """End as a process does, and return the statistics."""
        self._exporter.shutdown()
        self._route.sink.close()
        return self._exporter.stats()
