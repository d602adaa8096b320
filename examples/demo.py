"""Run an unchanged training script and show what our own telemetry-processor has of it.

The processor serves on a free port of this machine, over a database in a temporary folder; W&B works
offline. The exit status is 0 only if every number that W&B itself recorded is stored, the run is known
to have finished, its page can be opened, and the processor stopped cleanly. Run by `make demo`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.wandb_file import find_files, read_history

SCRIPT = Path(__file__).with_name("plain_loop.py")
COMMAND = Path(sys.executable).with_name("primus-lens-wandb")
WORKLOAD = "demo-workload"
PATIENCE = 30  # seconds that anything of the processor may take

_web = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # this machine needs no proxy


class Point(NamedTuple):
    """One value of one metric."""

    name: str
    step: int
    value: float


class Processor:
    """A running `primus-lens-wandb serve`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert process.stderr is not None
        greeting = process.stderr.readline()
        found = re.search(r"serving (http://\S+),", greeting)
        if found is None:
            raise SystemExit(greeting + process.stderr.read())
        self.url = found.group(1)
        threading.Thread(target=deque, args=(process.stderr, 0), daemon=True).start()  # its access log

    def open(self, path: str) -> bytes:
        """Return what it answers.

        Raises:
            OSError: it does not answer, or refuses.
        """
        with _web.open(self.url + path, timeout=PATIENCE) as response:
            return bytes(response.read())

    def ask(self, path: str) -> dict[str, Any]:
        """Return the data of a query's answer."""
        return dict(json.loads(self.open(f"/api/v1{path}"))["data"])

    def stop(self) -> int:
        """Tell it to stop, and return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(PATIENCE)


@contextmanager
def serving(folder: str) -> Iterator[Processor]:
    """Run a processor as long as it lasts, with its database in a folder."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PRIMUS_LENS_PROCESSOR_")
    }
    with subprocess.Popen(
        [str(COMMAND), "serve", "--port", "0", "--db", f"{folder}/processor.db"],
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Processor(process)
        finally:
            process.kill()


def train(processor: Processor, folder: str) -> None:
    """Run the script in a process of its own, as a pod would.

    Raises:
        subprocess.CalledProcessError: the script failed.
    """
    identity = {"WORKLOAD_UID": WORKLOAD, "POD_NAME": "demo-pod", "POD_NAMESPACE": "demo"}
    wandb = {"WANDB_MODE": "offline", "WANDB_DIR": folder, "WANDB_SILENT": "true"}
    subprocess.run(
        [str(COMMAND), "run", "--", sys.executable, str(SCRIPT)],
        env={**os.environ, **identity, **wandb, "PRIMUS_LENS_API_BASE_URL": f"{processor.url}/api/v1"},
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


def stored_points(processor: Processor) -> list[Point]:
    """Return what the processor has."""
    rows = processor.ask(f"/workloads/{WORKLOAD}/metrics/data?metrics=all")["data"]
    return [Point(row["metric_name"], row["iteration"], row["value"]) for row in rows]


def show_run(run: dict[str, Any]) -> None:
    """Print whose run it is, what it runs on, and how it ended."""
    (pod,) = run["pods"]
    framework = run["framework"] or "none loaded: plain Python"
    print(f"workload   {run['workload']}, pod {pod['namespace']}/{pod['pod_name']}")
    print(
        f"run        {run['name']} ({run['run_id']}) of project {run['project']}, config {run['config']}"
    )
    print(f"state      {run['state']} on {run['host']}")
    print(f"framework  {framework}\n")


def show_metrics(logged: list[Point], stored: list[Point]) -> None:
    """Print one line a metric."""
    print(f"{'metric':<20}{'logged':>8}{'stored':>10}{'last value':>14}")
    for name in sorted({point.name for point in logged + stored}):
        mine = [point for point in stored if point.name == name]
        count = sum(point.name == name for point in logged)
        last = f"{max(mine, key=lambda point: point.step).value:.4g}" if mine else "-"
        print(f"{name:<20}{count:>8}{len(mine):>10}{last:>14}")


def demonstrate(processor: Processor, folder: str, keep: bool) -> bool:
    """Train and show what is stored of it; return whether that is all, of a run known as finished."""
    processor.open("/")
    if keep:
        print(f"Open {processor.url}/ in a browser: the run appears there while it trains.\n")
    print(f"$ primus-lens-wandb run -- python examples/{SCRIPT.name}", flush=True)
    train(processor, folder)
    print()
    logged, stored = logged_points(folder), stored_points(processor)
    runs = [processor.ask(f"/runs/{run['key']}") for run in processor.ask("/runs")["runs"]]
    for run in runs:
        show_run(run)
    show_metrics(logged, stored)
    same = bool(logged) and sorted(logged) == sorted(stored)
    verdict = "the same, every one" if same else "NOT the same"
    print(f"\n{len(logged)} points in W&B's own record, {len(stored)} stored: {verdict}.", flush=True)
    if keep:
        wait_for_interrupt(processor)
    return same and [run["state"] for run in runs] == ["finished"]


def wait_for_interrupt(processor: Processor) -> None:
    """Leave the processor serving until C-c."""
    try:
        print(f"Look at {processor.url}/ until C-c.", flush=True)
        signal.pause()
    except KeyboardInterrupt:
        print()


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description="Show what is stored.")
    parser.add_argument("--keep", action="store_true", help="keep serving until C-c")
    keep = parser.parse_args().keep
    for number in (signal.SIGINT, signal.SIGTERM):  # so that nothing is left behind
        signal.signal(number, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as folder, serving(folder) as processor:
        good = demonstrate(processor, folder, keep)
        status = processor.stop()
    if status:
        print(f"The processor ended with status {status}.")
    return 0 if good and status == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
