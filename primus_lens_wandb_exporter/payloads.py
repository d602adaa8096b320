"""Pure builders of the bodies that the telemetry-processor takes (see CONTRACT: the wire)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from json import dumps
from typing import Any, NamedTuple

from .capture import LogValue
from .delivery.courtesy import in_slices
from .delivery.envelope import Envelope
from .delivery.json_text import numbers_to_json, to_json
from .evidence.redaction import hide_credentials
from .settings import Settings

DETECTION_PATH = "/wandb/detection"
METRICS_PATH = "/wandb/metrics"
LOGS_PATH = "/wandb/logs"

MAX_POINTS = 1000  # in one body
MAX_BYTES = 256 * 1024  # of one body

_ROOM = MAX_BYTES - 4096  # for the entries, beside the head
_PIECE_POINTS = 100  # that are put together in one go
_PIECE_BYTES = _ROOM // 8


class LogCall(NamedTuple):
    """What one `wandb.log` call carried for one step of one run.

    `timestamp` is Unix time in seconds.
    """

    run_id: str
    timestamp: float
    step: int
    metrics: Mapping[str, float]
    entries: Mapping[str, LogValue | Mapping[str, Any]]  # an object: a run event


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


def metrics_envelopes(settings: Settings, calls: Iterable[LogCall]) -> Iterator[Envelope]:
    """Return the metric points of the calls in their order, one run a body."""
    for run_id, points in _filled(_points(calls)):
        yield _body(settings, METRICS_PATH, run_id, "metrics", points)


def logs_envelopes(settings: Settings, calls: Iterable[LogCall]) -> Iterator[Envelope]:
    """Return the log entries of the calls in their order, one run a body."""
    for run_id, entries in _filled(_log_entries(calls)):
        yield _body(settings, LOGS_PATH, run_id, "logs", entries)


def local_envelopes(calls: Iterable[LogCall]) -> Iterator[Envelope]:
    """Return one line a call for the local file, metrics and entries together."""
    for _, lines in _filled(_lines(calls)):
        yield Envelope("", {}, "lines", lines)


class _Piece(NamedTuple):
    """A few entries of one run, as JSON texts that belong into one body."""

    run_id: str
    entries: list[str]
    size: int  # bytes, with a comma for each


class _Beginnings(dict[str, str]):
    """The text of a point up to its value, by name; names repeat."""

    def __missing__(self, name: str) -> str:
        beginning = self[name] = f'{{"name":{dumps(name)},"value":'
        return beginning


def _points(calls: Iterable[LogCall]) -> Iterator[_Piece]:
    beginnings = _Beginnings()
    points = _Points("")
    for run_id, timestamp, step, metrics, _ in calls:
        if run_id != points.run_id or len(points.names) >= _PIECE_POINTS:
            yield from points.pieces(beginnings)
            points = _Points(run_id)
        points.names += metrics
        points.values += metrics.values()
        points.ends += [f',"step":{step},"timestamp":{timestamp!r},"tags":{{}}}}'] * len(metrics)
    yield from points.pieces(beginnings)


class _Points:
    """Points of one run in columns: their texts are put together in a third of an encoder's time."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.names: list[str] = []
        self.values: list[float] = []
        self.ends: list[str] = []

    def pieces(self, beginnings: Mapping[str, str]) -> Iterator[_Piece]:
        """Yield their texts; long ones, for long names, one by one."""
        for start in range(0, len(self.names), _PIECE_POINTS):
            part = slice(start, start + _PIECE_POINTS)
            numbers = numbers_to_json(self.values[part])
            texts = [
                f"{beginnings[name]}{number}{end}"
                for name, number, end in zip(self.names[part], numbers, self.ends[part])
            ]
            size = sum(map(len, texts)) + len(texts)
            if size <= _PIECE_BYTES:
                yield _Piece(self.run_id, texts, size)
            else:
                yield from (_Piece(self.run_id, [text], len(text) + 1) for text in texts)


def _log_entries(calls: Iterable[LogCall]) -> Iterator[_Piece]:
    for run_id, timestamp, step, _, entries in calls:
        text = to_json({"step": step, "timestamp": timestamp, "data": _without_credentials(entries)})
        yield _Piece(run_id, [text], len(text.encode()) + 1)


def _lines(calls: Iterable[LogCall]) -> Iterator[_Piece]:
    for run_id, timestamp, step, metrics, entries in calls:
        data = {**metrics, **_without_credentials(entries)}
        text = to_json({"run_id": run_id, "step": step, "timestamp": timestamp, "data": data})
        yield _Piece("", [text], len(text.encode()) + 1)


def _without_credentials(entries: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: hide_credentials(value) if isinstance(value, str) else value
        for name, value in entries.items()
    }


class _Filling:
    """A body that is not full yet."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.room = _ROOM

    def fits(self, piece: _Piece) -> bool:
        """Return whether there is room for a piece."""
        return piece.size <= self.room and len(self.entries) + len(piece.entries) <= MAX_POINTS


def _filled(pieces: Iterable[_Piece]) -> Iterator[tuple[str, list[str]]]:
    """Collect the entries of each run, and yield them when the next do not fit into the body."""
    bodies: dict[str, _Filling] = {}
    for piece in in_slices(pieces):
        body = bodies.get(piece.run_id)
        if body is None or not body.fits(piece):
            if body is not None:
                yield piece.run_id, body.entries
            body = bodies[piece.run_id] = _Filling()
        body.entries += piece.entries
        body.room -= piece.size
    for run_id, body in bodies.items():
        yield run_id, body.entries


def _body(settings: Settings, path: str, run_id: str, field: str, entries: Sequence[str]) -> Envelope:
    head = {**identity(settings), "run_id": run_id, "timestamp": time.time()}
    return Envelope(path, head, field, entries)
