"""Run an unchanged training script and show what a telemetry-processor gets of it.

A small receiver on loopback stands in for the telemetry-processor; W&B works offline. The exit
status is 0 only if what was received is what W&B itself recorded. Run by `make demo`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.wandb_file import find_files, read_history

SCRIPT = Path(__file__).with_name("plain_loop.py")
COMMAND = Path(sys.executable).with_name("primus-lens-wandb")


class Point(NamedTuple):
    """One value of one metric."""

    name: str
    step: int
    value: float


class Receiver(ThreadingHTTPServer):
    """Keeps the bodies it gets, by the last part of the path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: dict[str, list[dict[str, Any]]] = {"detection": [], "metrics": [], "logs": []}

    @property
    def url(self) -> str:
        """The base URL to report to."""
        return f"http://127.0.0.1:{self.server_port}/api/v1"


class Handler(BaseHTTPRequestHandler):
    """Answers every POST with 200."""

    server: Receiver
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write an answer: two would wait for each other (Nagle, delayed acknowledgement)

    def do_POST(self) -> None:
        """Keep the body."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.setdefault(self.path.rpartition("/")[2], []).append(body)
        answer = b'{"meta":{},"data":{}}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def train(receiver: Receiver, folder: str) -> None:
    """Run the script in a process of its own, as a pod would.

    Raises:
        subprocess.CalledProcessError: the script failed.
    """
    identity = {"WORKLOAD_UID": "demo-workload", "POD_NAME": "demo-pod", "POD_NAMESPACE": "demo"}
    wandb = {"WANDB_MODE": "offline", "WANDB_DIR": folder, "WANDB_SILENT": "true"}
    subprocess.run(
        [str(COMMAND), "run", "--", sys.executable, str(SCRIPT)],
        env={**os.environ, **identity, **wandb, "PRIMUS_LENS_API_BASE_URL": receiver.url},
        check=True,
    )


def logged_points(folder: str) -> list[Point]:
    """Return what the script logged, by W&B's own offline record."""
    return [
        Point(name, row.step, value)
        for path in find_files(Path(folder))
        for row in read_history(path)
        for name, value in row.values.items()
    ]


def received_points(receiver: Receiver) -> list[Point]:
    """Return what arrived."""
    return [
        Point(point["name"], point["step"], point["value"])
        for body in receiver.bodies["metrics"]
        for point in body["metrics"]
    ]


def show_detection(record: dict[str, Any]) -> None:
    """Print whose run it is and what it runs on."""
    run, hints = record["evidence"]["wandb"], record["hints"]
    frameworks = ", ".join(hints["possible_frameworks"]) or "none loaded: plain Python"
    print(f"workload   {record['workload_uid']}, pod {record['namespace']}/{record['pod_name']}")
    print(f"run        {run['name']} ({run['id']}) of project {run['project']}, config {run['config']}")
    print(f"framework  {frameworks} (confidence {hints['confidence']})\n")


def show_metrics(logged: list[Point], received: list[Point]) -> None:
    """Print one line a metric."""
    print(f"{'metric':<20}{'logged':>8}{'received':>10}{'last value':>14}")
    for name in sorted({point.name for point in logged + received}):
        mine = [point for point in received if point.name == name]
        count = sum(point.name == name for point in logged)
        last = f"{max(mine, key=lambda point: point.step).value:.4g}" if mine else "-"
        print(f"{name:<20}{count:>8}{len(mine):>10}{last:>14}")


def main() -> int:
    """Run the demo and return its exit status."""
    with Receiver() as receiver, tempfile.TemporaryDirectory() as folder:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        print(f"$ primus-lens-wandb run -- python examples/{SCRIPT.name}")
        train(receiver, folder)
        receiver.shutdown()
        logged, received = logged_points(folder), received_points(receiver)
    print()
    for record in receiver.bodies["detection"]:
        show_detection(record)
    show_metrics(logged, received)
    same = bool(logged) and sorted(logged) == sorted(received)
    verdict = "the same, every one" if same else "NOT the same"
    print(f"\n{len(logged)} points in W&B's own record, {len(received)} received: {verdict}.")
    return 0 if same and receiver.bodies["detection"] else 1


if __name__ == "__main__":
    sys.exit(main())
