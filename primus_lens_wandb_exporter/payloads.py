"""Pure builders of the bodies that the telemetry-processor takes (see CONTRACT: the wire)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .capture import LogValue
from .delivery.courtesy import give_way
from .delivery.envelope import Envelope, encoder
from .evidence.redaction import hide_credentials
from .settings import Settings

DETECTION_PATH = "/wandb/detection"
METRICS_PATH = "/wandb/metrics"
LOGS_PATH = "/wandb/logs"

MAX_POINTS = 1000  # in one body
MAX_BYTES = 256 * 1024  # of one body

_HEAD_BYTES = 4096
_POINT_BYTES = 120  # a point without its name, at most: keys, value, step, timestamp
_POINTS_AT_A_TIME = 500


class LogCall(NamedTuple):
    """What one `wandb.log` call carried for one step of one run.

    `timestamp` is Unix time in seconds.
    """

    run_id: str
    timestamp: float
    step: int
    metrics: Mapping[str, float]
    entries: Mapping[str, LogValue]


def identity(settings: Settings) -> dict[str, str]:
    """Return the fields that say whose body it is."""
    return {
        "source": "wandb",
        "workload_uid": settings.workload_uid,
        "pod_uid": settings.pod_uid,
        "pod_name": settings.pod_name,
    }


def detection_envelope(
    settings: Settings,
    evidence: Mapping[str, Any],
    hints: Mapping[str, Any],
    timestamp: float,
) -> Envelope:
    """Return the detection record of one run."""
    head = {
        **identity(settings),
        "namespace": settings.pod_namespace,
        "type": "framework_detection_raw",
        "version": "1.0",
        "evidence": evidence,
        "hints": hints,
        "timestamp": timestamp,
    }
    return Envelope(DETECTION_PATH, head)


def metrics_envelopes(settings: Settings, calls: Sequence[LogCall]) -> Iterator[Envelope]:
    """Return the metric points of the calls in their order, one run a body."""
    encode = encoder().encode
    sizes: dict[str, int] = {}  # of points, by name: escaped characters take up to 12 bytes each
    for run_id, of_run in _by_run(calls).items():
        points: list[dict[str, Any]] = []
        room = MAX_BYTES - _HEAD_BYTES
        for call in of_run:
            for name, value in call.metrics.items():
                size = sizes.get(name)
                if size is None:
                    size = sizes[name] = len(encode(name)) + _POINT_BYTES
                room -= size
                if points and (len(points) >= MAX_POINTS or room < 0):
                    yield _body(settings, METRICS_PATH, run_id, "metrics", points)
                    points, room = [], MAX_BYTES - _HEAD_BYTES - size
                if len(points) % _POINTS_AT_A_TIME == 0:
                    give_way()
                points.append(
                    {
                        "name": name,
                        "value": value,
                        "step": call.step,
                        "timestamp": call.timestamp,
                        "tags": {},
                    }
                )
        if points:
            yield _body(settings, METRICS_PATH, run_id, "metrics", points)


def logs_envelopes(settings: Settings, calls: Sequence[LogCall]) -> Iterator[Envelope]:
    """Return the log entries of the calls in their order, one run a body."""
    for run_id, of_run in _by_run(calls).items():
        entries = [
            {"step": call.step, "timestamp": call.timestamp, "data": _presentable(call.entries)}
            for call in of_run
        ]
        for chunk in _chunks(entries):
            yield _body(settings, LOGS_PATH, run_id, "logs", chunk)


def _presentable(entries: Mapping[str, LogValue]) -> dict[str, LogValue]:
    return {
        name: hide_credentials(value) if isinstance(value, str) else value
        for name, value in entries.items()
    }


def local_envelopes(calls: Sequence[LogCall]) -> Iterator[Envelope]:
    """Return one line a call for the local file, metrics and entries together."""
    lines = [
        {
            "run_id": call.run_id,
            "step": call.step,
            "timestamp": call.timestamp,
            "data": {**call.metrics, **call.entries},
        }
        for call in calls
    ]
    for start in range(0, len(lines), _POINTS_AT_A_TIME):
        yield Envelope("", {}, "lines", lines[start : start + _POINTS_AT_A_TIME])


def _chunks(entries: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    encode = encoder().encode
    chunk: list[dict[str, Any]] = []
    room = MAX_BYTES - _HEAD_BYTES
    for entry in entries:
        size = len(encode(entry)) + 1
        room -= size
        if chunk and room < 0:
            yield chunk
            chunk, room = [], MAX_BYTES - _HEAD_BYTES - size
        chunk.append(entry)
    if chunk:
        yield chunk


def _by_run(calls: Iterable[LogCall]) -> dict[str, list[LogCall]]:
    runs: dict[str, list[LogCall]] = {}
    for call in calls:
        runs.setdefault(call.run_id, []).append(call)
    return runs


def _body(settings: Settings, path: str, run_id: str, field: str, entries: Sequence[Any]) -> Envelope:
    head = {**identity(settings), "run_id": run_id, "timestamp": time.time()}
    return Envelope(path, head, field, entries)
