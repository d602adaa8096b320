"""The processes that the pods of a fleet share, as the measuring process sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.scripts import REPOSITORY
from tests.support.served import serve_environ

from .pod import Request

_PODS_OF_A_PROCESS = 500
_TICKS = os.sysconf("SC_CLK_TCK")


class Fleet:
    """Up to `size` pods that report to processors in turns; make it by `fleet`.

    `settings` are environment variables of them all.
    """

    def __init__(
        self, folder: Path, size: int, urls: Sequence[str], settings: Mapping[str, str] | None = None
    ) -> None:
        self.size = size
        self._results: list[Path] = []
        self._crews: list[subprocess.Popen[str]] = []
        self._sizes: list[int] = []
        for first in range(0, size, _PODS_OF_A_PROCESS):
            count = min(_PODS_OF_A_PROCESS, size - first)
            result = folder / f"crew-{first}.json"
            command = [sys.executable, "-m", "benchmarks.fleet.crew"]
            crew = subprocess.Popen(
                [*command, str(result), str(first), str(count), *urls],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=REPOSITORY,
                env=serve_environ(settings),
            )
            self._results.append(result)
            self._crews.append(crew)
            self._sizes.append(count)
        self._hear("ready")

    def grow(self, count: int, seconds: float) -> None:
        """Start pods until there are `count`, evenly over so many seconds."""
        shares = [size * count // self.size for size in self._sizes]
        for place in range(count - sum(shares)):
            shares[place] += 1
        self._tell(*(f"grow {share} {seconds}" for share in shares))

    def pace(self, factor: float) -> None:
        """Let the jobs log so many times slower than they would."""
        self._tell(f"pace {factor}")

    def rest(self, seconds: float) -> None:
        """Let no job log any more, and wait until all is delivered, but no longer than `seconds`."""
        self._tell(f"rest {seconds}")

    def end(self) -> Logbook:
        """End all pods and return what they saw."""
        self._tell("end")
        return Logbook([json.loads(result.read_text()) for result in self._results])

    def kill(self) -> None:
        """End the processes."""
        for crew in self._crews:
            crew.kill()
        for crew in self._crews:
            crew.communicate()

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of all of them."""
        return sum(cpu_seconds(crew.pid) for crew in self._crews)

    def _tell(self, *lines: str) -> None:
        lines = lines if len(lines) > 1 else lines * len(self._crews)
        for crew, line in zip(self._crews, lines):
            assert crew.stdin is not None
            crew.stdin.write(line + "\n")
            crew.stdin.flush()
        self._hear("done")

    def _hear(self, word: str) -> None:
        for crew in self._crews:
            assert crew.stdout is not None
            heard = crew.stdout.readline().strip()
            assert heard == word, "pods have ended by themselves"


class Logbook:
    """What the pods saw.

    Attributes:
        requests: of all pods, by the moment at which they ended.
        pods: what became of each.
        latest: the most seconds that a log call came later than it was due.
    """

    def __init__(self, crews: Sequence[dict[str, Any]]) -> None:
        self.requests = sorted(
            (Request(*request) for crew in crews for request in crew["requests"]),
            key=lambda request: request.ended,
        )
        self.pods: list[dict[str, Any]] = [pod for crew in crews for pod in crew["pods"]]
        self.latest = max(crew["latest"] for crew in crews)
        self._waiting = [list(zip(*crew["waiting"])) for crew in crews]

    def between(self, began: float, ended: float) -> list[Request]:
        """Return the requests that ended in between."""
        return [request for request in self.requests if began <= request.ended < ended]

    def waiting_at(self, moment: float) -> int:
        """Return how much waited in all pods, as seen last before."""
        total = 0
        for times, counts in self._waiting:
            place = bisect_right(times, moment)
            total += counts[place - 1] if place else 0
        return total


@contextmanager
def fleet(
    folder: Path, size: int, urls: Sequence[str], settings: Mapping[str, str] | None = None
) -> Iterator[Fleet]:
    """Make a fleet, and end its processes afterwards."""
    made = Fleet(folder, size, urls, settings)
    try:
        yield made
    finally:
        made.kill()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, and of children that it has waited for; see proc_pid_stat(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS
