"""Hundreds of processes that meet one failing endpoint at the same moment."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest

from .support import contract
from .support.law import check_law
from .support.scripts import REPOSITORY, ScriptRunner

CLIENTS = 200
OUTAGE = 3.0  # seconds, from when the last client has come
SPACING = 1.0

# Each forked process logs under a name of its own, at the same moment, and ends when all is delivered.
SOURCE = f"""
import json, os, sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from primus_lens_wandb_exporter.exporter import get_exporter
exporter = get_exporter()
start, started = os.pipe()

def work():
    os.close(started)
    os.read(start, 1)
    name = f"p{{os.getpid()}}"
    for step in range(20):
        exporter.record("run-1", time.time(), step, {{name: float(step)}}, {{name: "text"}})
    while any(exporter.stats()["pending"].values()):
        time.sleep(0.2)
    exporter.shutdown()
    with open(f"{{os.getpid()}}.json", "w") as file:
        json.dump(exporter.stats(), file)

for _ in range({CLIENTS}):
    if not os.fork():
        try:
            work()
        finally:
            os._exit(0)
os.close(started)
for _ in range({CLIENTS}):
    os.wait()
"""


class CrowdServer:
    """A telemetry-processor that is down at first; it notes when each client asked for what."""

    def __init__(self) -> None:
        self.refused: dict[str, list[float]] = defaultdict(list)  # arrivals by client
        self.arrivals: dict[str, list[float]] = defaultdict(list)
        self.steps: dict[str, list[int]] = defaultdict(list)  # of stored points
        self.entries = 0
        self.url = ""
        self._complete = 0.0  # when the last client came

    async def run(self, ready: threading.Event, ended: threading.Event) -> None:
        """Serve until told to end."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2 * CLIENTS)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/v1"
        ready.set()
        await asyncio.get_running_loop().run_in_executor(None, ended.wait)
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                assert length
                body = await reader.readexactly(int(length[1]))
                status, text = self._answer(head.split()[1].decode(), body)
                writer.write(
                    f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode()
                )
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, path: str, raw: bytes) -> tuple[int, str]:
        now = time.monotonic()
        client = re.search(rb'"p(\d+)"', raw)
        assert client
        pid = client[1].decode()
        self.arrivals[pid].append(now)
        if len(self.arrivals) == CLIENTS:
            self._complete = self._complete or now
        if not self._complete or now - self._complete < OUTAGE:
            self.refused[pid].append(now)
            return 503, ""
        body = contract.check(path, raw)
        self.steps[pid] += [point["step"] for point in body.get("metrics", ())]
        self.entries += len(body.get("logs", ()))
        return 200, "{}"


@pytest.fixture
def crowd_server() -> Iterator[CrowdServer]:
    """A server in a thread of its own."""
    server, ready, ended = CrowdServer(), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(server.run(ready, ended)), daemon=True)
    thread.start()
    assert ready.wait(30)
    yield server
    ended.set()
    thread.join(30)


def quartile_range(values: list[float]) -> float:
    low, _, high = statistics.quantiles(values, n=4)
    return high - low


def test_a_crowd_is_slow_to_come_back_comes_back_apart_and_loses_nothing(
    scripts: ScriptRunner, crowd_server: CrowdServer
) -> None:
    scripts.run(
        SOURCE,
        hooked=False,
        environ={"PRIMUS_LENS_WANDB_HOOK": "true", "PRIMUS_LENS_API_BASE_URL": crowd_server.url},
    )
    arrivals = crowd_server.arrivals
    assert len(arrivals) == CLIENTS
    failures = [len(crowd_server.refused[pid]) for pid in arrivals]
    assert min(failures) >= 1
    waits: dict[int, list[float]] = defaultdict(list)  # by how many failures in a row were before
    for pid, times in arrivals.items():
        for count in range(1, len(crowd_server.refused[pid]) + 1):
            waits[count].append(times[count] - times[count - 1])
    assert min(wait for some in waits.values() for wait in some) >= SPACING
    # Without jitter the waits would be the same; with it, they are spread over 1 s, then over 2 s.
    assert quartile_range(waits[1]) > 0.3
    assert quartile_range(waits[2]) > 0.6

    every = [json.loads(file.read_text()) for file in scripts.folder.glob("*.json")]
    assert len(every) == CLIENTS
    for stats in every:
        check_law(stats)
        assert stats["metrics_sent"] == stats["accepted"]["metrics"] == 20
        assert crowd_server.steps[str(stats["pid"])] == list(range(20))
    assert crowd_server.entries == 20 * CLIENTS
