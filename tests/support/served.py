"""Our telemetry-processor as users have it: a process of its own, on a free port."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from .scripts import REPOSITORY

SERVE = [sys.executable, "-m", "primus_lens_wandb_exporter", "serve"]


def serve_environ(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a server: nothing of ours in it but what is given."""
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith("PRIMUS_LENS_")
    }
    return {**inherited, "PYTHONPATH": str(REPOSITORY), **(environ or {})}


class Server:
    """A running processor; what it wrote before its first request is in `greeting`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: list[str] = []
        assert process.stderr is not None
        first = process.stderr.readline()
        found = re.search(r"serving (http://\S+),", first)
        assert found, first + process.stderr.read()
        self.url = found.group(1)
        self.greeting = first
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self._lines.extend(self.process.stderr)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Return the exit status when it has ended."""
        status = self.process.wait(30)
        self._reader.join(30)
        return status

    def wait_until_refused(self) -> None:
        """Wait until it takes no more connections."""
        address = urlsplit(self.url)
        while True:
            with socket.socket() as probe:
                try:
                    probe.connect((address.hostname, address.port))
                except ConnectionRefusedError:
                    return
                except ConnectionResetError:  # it closed at this very moment
                    pass

    @property
    def lines(self) -> list[str]:
        """What it wrote since, as text; complete when it has ended."""
        return [line.rstrip("\n") for line in self._lines]

    @property
    def access_log(self) -> list[dict[str, Any]]:
        """The lines of the access log."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def get(self, path: str, **query: Any) -> Any:
        """Return the data of a query's answer."""
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            response = client.get(f"/api/v1{path}", params=query)
        assert response.status_code == 200, response.text
        return response.json()["data"]


@contextmanager
def served(folder: Path, *options: str, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run a server as long as it lasts, with its database in a folder."""
    process = subprocess.Popen(
        [*SERVE, "--port", "0", "--db", str(folder / "processor.db"), *options],
        env=serve_environ(environ),
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    try:
        yield Server(process)
    finally:
        process.kill()
        process.wait()
