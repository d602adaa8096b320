"""The processors of a fleet, which can be stopped or killed and started again at the same address."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.served import SERVE, serve_environ

from ..processor.cores import SERVER, on_core
from .fleet import cpu_seconds

_STARTING = 30.0  # seconds


class Replica:
    """One processor, on the server's core; it may have several lives.

    Attributes:
        peak: the most resident memory (MiB) of any life but the present one.
    """

    def __init__(self, folder: Path, database: str, connections: int = 0) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.peak = 0.0
        self._command = [*SERVE, "--port", str(port), "--db", database]
        self._environ = serve_environ()
        if connections:
            self._environ["PRIMUS_LENS_PROCESSOR_CONNECTIONS"] = str(connections)
        self._log = folder / f"processor-{port}.log"  # as a container's standard error goes to a file
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        with open(self._log, "a") as log, on_core(SERVER):
            self._process = subprocess.Popen(self._command, env=self._environ, stderr=log)
        until = time.monotonic() + _STARTING
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < until, "it does not answer"
            time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait until it is gone, and return its exit status."""
        self.note()
        self._process.send_signal(number)
        return self._process.wait(_STARTING)

    def kill(self) -> None:
        """End it, if it runs."""
        self._process.kill()
        self._process.wait()

    def note(self) -> None:
        """Remember what only a living one tells."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        self.peak = max(self.peak, int(line.split()[1]) / 1024)

    @property
    def cpu_seconds(self) -> float:
        """The CPU time of this life."""
        return cpu_seconds(self._process.pid)

    @property
    def waited_seconds(self) -> float:
        """How long its event loop was ready and had no core (Linux: scheduler/sched-stats.rst)."""
        return int(Path(f"/proc/{self._process.pid}/schedstat").read_text().split()[1]) / 1e9

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def replicas(
    folder: Path, databases: Sequence[str], connections: int = 0
) -> Iterator[Sequence[Replica]]:
    """Run a processor for each of the databases named, which may be one."""
    made: list[Replica] = []
    try:
        for database in databases:
            made.append(Replica(folder, database, connections))
        yield made
    finally:
        for replica in made:
            replica.kill()
