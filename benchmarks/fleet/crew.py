"""A process full of pods: a real worker thread for each, and one thread for all their trainings.

    python -m benchmarks.fleet.crew RESULT FIRST COUNT BASE_URL...

It takes commands, a line each, and answers each with a line when that is done: `grow COUNT SECONDS`
starts pods until there are so many, `pace FACTOR` makes the jobs so many times slower, `rest SECONDS`
logs no more and waits until all is delivered, `end` ends the pods and writes RESULT. When nobody
commands any more, it ends at once.
"""

from __future__ import annotations

import gc
import heapq
import json
import os
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from primus_lens_wandb_exporter import exporter
from primus_lens_wandb_exporter.evidence import Collector
from tests.support.law import check_law

from .pod import Pod, Request

# A thread that waits for the GIL wakes up this often to ask for it: thousands of them take the core from
# the one that has it. Nobody here has it for long.
_SWITCH_INTERVAL = 1.0  # seconds
_STACK = 256 * 1024  # bytes of a thread's stack, instead of 8 MiB
_SAMPLING = 1.0  # seconds
_LONGEST_SLEEP = 0.05  # seconds, until a pod that was just started is seen
_ENDING_TOGETHER = 8
_NEVER = float("inf")


class OneMachine(Collector):
    """All pods are on one machine, whose evidence is collected once: in reality each has its own CPU."""

    _found: Mapping[str, Any] | None = None

    def collect(self, run: Mapping[str, Any]) -> dict[str, Any]:
        """Return the evidence of the machine, and what the run says of itself."""
        if self._found is None:
            self._found = super().collect(run)
        return {**self._found, "wandb": dict(run)}


class Crew:
    """The pods of this process.

    Attributes:
        waiting: samples of (monotonic seconds, how much waits in all pods).
        latest: the most seconds that a log call came later than it was due.
    """

    def __init__(self, first: int, count: int, urls: list[str]) -> None:
        self.requests: list[Request] = []
        self.waiting: list[tuple[float, int]] = []
        self.latest = 0.0
        self.pace = 1.0
        self._all = [
            Pod(number, urls[number % len(urls)], self.requests)
            for number in range(first, first + count)
        ]
        self._started: list[Pod] = []
        self._due: list[tuple[float, int]] = []  # when, and which of those that have started
        self._lock = threading.Lock()
        self._resting = False

    def grow(self, count: int, seconds: float) -> None:
        """Start pods one after the other until there are `count`, within `seconds`."""
        new = self._all[len(self._started) : count]
        began = time.monotonic()
        for place, pod in enumerate(new):
            time.sleep(max(0.0, began + seconds * place / len(new) - time.monotonic()))
            pod.start()
            with self._lock:
                self._started.append(pod)
                first = time.monotonic() + pod.job.interval * self.pace
                heapq.heappush(self._due, (first, len(self._started) - 1))

    def train(self) -> None:
        """Let all jobs log when they are due, and look now and then how much waits; never returns."""
        sample_at = 0.0
        while True:
            now = time.monotonic()
            next_due = self._log_what_is_due(now)
            if now >= sample_at:
                sample_at = now + _SAMPLING
                self.waiting.append((now, sum(pod.waiting for pod in self._started)))
            until = min(next_due, sample_at, now + _LONGEST_SLEEP)
            time.sleep(max(0.001, until - time.monotonic()))

    def _log_what_is_due(self, now: float) -> float:
        """Return when the next is."""
        with self._lock:
            if self._resting or not self._due:
                return _NEVER
            while self._due[0][0] <= now:
                due, place = self._due[0]
                pod = self._started[place]
                heapq.heapreplace(self._due, (due + pod.job.interval * self.pace, place))
                pod.log()
                self.latest = max(self.latest, now - due)
            return self._due[0][0]

    def rest(self, seconds: float) -> None:
        """Log no more, and wait until all is delivered, but not for longer than `seconds`."""
        with self._lock:
            self._resting = True
        until = time.monotonic() + seconds
        while any(pod.waiting for pod in self._started) and time.monotonic() < until:
            time.sleep(0.1)

    def end(self) -> list[dict[str, Any]]:
        """End all pods, and return what became of each."""
        with ThreadPoolExecutor(_ENDING_TOGETHER) as pool:
            return list(pool.map(_end, self._started))

    def as_dict(self) -> dict[str, Any]:
        """Return what was seen, and what became of each pod, which end by that."""
        return {
            "pods": self.end(),
            "requests": self.requests,
            "waiting": self.waiting,
            "latest": self.latest,
        }


def _end(pod: Pod) -> dict[str, Any]:
    stats = pod.end()
    check_law(stats)
    assert not stats["internal_errors"], stats
    fields = ("accepted", "sent", "pending", "dropped", "retries")
    return {"number": pod.number, "calls": pod.calls, **{field: stats[field] for field in fields}}


def main(result: str, first: str, count: str, *urls: str) -> None:
    """Do as the lines on standard input say."""
    threading.stack_size(_STACK)
    sys.setswitchinterval(_SWITCH_INTERVAL)
    machine = OneMachine()
    exporter.Collector = lambda: machine  # type: ignore[assignment,attr-defined,misc]
    crew = Crew(int(first), int(count), list(urls))
    gc.disable()  # it would look at all pods at once, and hold them up for as long
    threading.Thread(target=crew.train, daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        command, *words = line.split()
        numbers = [float(word) for word in words]
        if command == "grow":
            crew.grow(int(numbers[0]), numbers[1])
        elif command == "pace":
            crew.pace = numbers[0]
        elif command == "rest":
            crew.rest(numbers[0])
        elif command == "end":
            Path(result).write_text(json.dumps(crew.as_dict()))
        print("done", flush=True)
    sys.stdout.flush()
    os._exit(0)  # a thousand exporters need not each wait once more for a processor that is gone


if __name__ == "__main__":
    main(*sys.argv[1:])
