"""Points a second from clients to the commit, and what an answer takes, beside the bare database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from tests.support.scripts import REPOSITORY
from tests.support.served import Server

from ..pairs import interleave, quantile, summarise
from ..table import Row
from .clients import CLIENTS
from .cores import CLIENT, SERVER, on_core
from .databases import Database
from .work import POINTS

_ROUNDS = 3
_ANSWER = 300  # ms


def measure(database: Database, seconds: float) -> Iterator[Row]:
    """Load a processor in slices of `seconds` altogether, in turns with the bare loop."""
    with ExitStack() as stack:
        with on_core(SERVER):
            server = stack.enter_context(database.serving())
        load = _Load(server)
        rounds = interleave(
            _ROUNDS,
            {
                "bare": lambda: database.bare_rate(seconds / _ROUNDS / 4),
                "load": lambda: load.run(seconds / _ROUNDS),
            },
        )
        stored = sum(row["points"] for row in server.get("/workloads", search="load-")["workloads"])
        resident = _peak_memory(server.process.pid)
        assert server.stop() == 0
    answers = [loaded["milliseconds"] for loaded in rounds["load"]]
    posted = sum(loaded["points"] for loaded in rounds["load"])
    failed = sum(len(loaded["failed"]) for loaded in rounds["load"])
    rates = [loaded["points"] / loaded["seconds"] for loaded in rounds["load"]]
    shares = [rate / bare for rate, bare in zip(rates, rounds["bare"])]
    yield Row(
        "end to end, with commit", summarise(rates), "points/s", database.least_rate, at_least=True
    )
    yield Row(f"a bare `{database.loop}` loop", summarise(rounds["bare"]), "points/s", peer=True)
    yield Row("end to end, by the bare loop", summarise(shares), "", 0.25, at_least=True)
    yield Row("answer, p50", summarise([quantile(some, 0.5) for some in answers]), "ms")
    yield Row("answer, p99", summarise([quantile(some, 0.99) for some in answers]), "ms", _ANSWER)
    yield Row("answered with another status than 200", summarise([failed]), "", 0)
    yield Row(
        "points answered and not stored, or stored twice", summarise([abs(posted - stored)]), "", 0
    )
    yield Row("memory of the processor, peak", summarise([resident]), "MiB")
    yield Row("on disk, a million points", summarise([database.bytes() / posted]), "MB")


def title(database: Database) -> str:
    """Return what stands above the rows."""
    return f"{database.name}: {CLIENTS} clients, bodies of {POINTS} points"


class _Load:
    """The clients' process; their next bodies follow those of the last time."""

    def __init__(self, server: Server) -> None:
        self._address = server.url.partition("//")[2]
        self._delivery = 0

    def run(self, seconds: float) -> dict[str, Any]:
        """Return what it prints."""
        module = "benchmarks.processor.clients"
        command = [sys.executable, "-m", module, self._address, str(seconds), str(self._delivery)]
        with on_core(CLIENT):
            output = subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE).stdout
        result = dict(json.loads(output))
        self._delivery += result["deliveries"]
        return result


def _peak_memory(process: int) -> float:
    """Return the most resident memory (MiB) that a process has had; see proc_pid_status(5)."""
    with open(f"/proc/{process}/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
