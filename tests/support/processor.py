"""A telemetry-processor for tests: a real HTTP server that holds every body to the contract."""

from __future__ import annotations

import gzip
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, NamedTuple, Optional

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from primus_lens_wandb_exporter.run_events import EVENT

from . import contract


class Received(NamedTuple):
    """One request: its path below the base URL, headers, and parsed body."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Point(NamedTuple):
    """A stored metric point."""

    run_id: str
    name: str
    step: int
    value: float


class RunEvent(NamedTuple):
    """What a run said of itself."""

    run_id: str
    step: int
    timestamp: float
    kind: str
    host: str
    pid: int
    exit_code: int | None
    cause: str


def is_event(entry: dict[str, Any]) -> bool:
    """Return whether a log entry is a run event."""
    return set(entry["data"]) == {EVENT}


Answer = Callable[[Request], Optional[Response]]


class Processor:
    """Stores what it takes; `answer` may refuse a request instead by returning a response."""

    def __init__(self, server: HTTPServer) -> None:
        self.url = server.url_for("/api/v1")
        self.answer: Answer = lambda request: None
        self.received: list[Received] = []
        self.refused = 0
        self.violations: list[str] = []
        server.expect_request("/api/v1/wandb/detection").respond_with_handler(self._handle)
        server.expect_request("/api/v1/wandb/metrics").respond_with_handler(self._handle)
        server.expect_request("/api/v1/wandb/logs").respond_with_handler(self._handle)

    @contextmanager
    def silent(self) -> Iterator[threading.Event]:
        """Take requests and answer none while it lasts; the event is set when there is one."""
        asked, over = threading.Event(), threading.Event()

        def hang(request: Request) -> Response:
            asked.set()
            over.wait(60)
            return Response("", 503)

        self.answer = hang
        try:
            yield asked
        finally:
            over.set()

    def _handle(self, request: Request) -> Response:
        refusal = self.answer(request)
        if refusal is not None:
            self.refused += 1
            return refusal
        raw = request.get_data()
        if request.headers.get("Content-Encoding") == "gzip":
            raw = gzip.decompress(raw)
        path = request.path[len("/api/v1") :]
        try:
            if request.headers.get("Content-Type") != "application/json":
                raise contract.Violation(f"Content-Type is {request.headers.get('Content-Type')!r}")
            body = contract.check(request.path, raw)
        except ValueError as error:
            self.violations.append(f"{path}: {error}")
            return Response('{"error":"invalid request format"}', status=400)
        self.received.append(Received(path, dict(request.headers), body))
        return Response('{"meta":{},"data":{}}', content_type="application/json")

    def bodies(self, kind: str) -> list[dict[str, Any]]:
        """Return the bodies taken on `/wandb/<kind>`, in order."""
        return [body for path, _, body in self.received if path == f"/wandb/{kind}"]

    @property
    def detections(self) -> list[dict[str, Any]]:
        """The detection records taken."""
        return self.bodies("detection")

    @property
    def points(self) -> list[Point]:
        """All metric points taken, in order of arrival."""
        return [
            Point(body["run_id"], point["name"], point["step"], point["value"])
            for body in self.bodies("metrics")
            for point in body["metrics"]
        ]

    @property
    def log_entries(self) -> list[dict[str, Any]]:
        """All log entries taken that are no run events, in order of arrival."""
        return [entry for body in self.bodies("logs") for entry in body["logs"] if not is_event(entry)]

    @property
    def events(self) -> list[RunEvent]:
        """All run events taken, in order of arrival."""
        return [
            RunEvent(body["run_id"], entry["step"], entry["timestamp"], **entry["data"][EVENT])
            for body in self.bodies("logs")
            for entry in body["logs"]
            if is_event(entry)
        ]

    def lives(self) -> dict[str, list[str]]:
        """Return what each run said of itself, by its id: `started`, `finished 0 finish`, …"""
        lives: dict[str, list[str]] = defaultdict(list)
        for event in self.events:
            ending = f" {event.exit_code} {event.cause}" if event.kind != "started" else ""
            lives[event.run_id].append(event.kind + ending)
        return dict(lives)

    def series(self, name: str, run_id: str | None = None) -> list[tuple[int, float]]:
        """Return (step, value) of one metric, of one run or of all, in order of arrival."""
        return [
            (point.step, point.value)
            for point in self.points
            if point.name == name and run_id in (None, point.run_id)
        ]

    def by_run(self) -> dict[str, list[Point]]:
        """Return the points of each run."""
        runs: dict[str, list[Point]] = defaultdict(list)
        for point in self.points:
            runs[point.run_id].append(point)
        return dict(runs)
