"""From a body's bytes to what is stored of it; what breaks the contract is refused by its field."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

import msgspec

from ..refusal import Refusal
from ..store import SECOND, Delivery, Detection, Entry, Event, Stored
from ..store.clocks import believe
from . import wire
from .mending import mend
from .ranks import find_rank
from .rules import decide

# What the service's own rows call themselves: never metrics (CONTRACT, the query API).
METADATA = frozenset(("step", "run_id", "source", "history", "created_at", "updated_at"))

_DETECTION = msgspec.json.Decoder(wire.DetectionBody)
_RAW_DETECTION = msgspec.json.Decoder(wire.RawDetection)
_RUN = msgspec.json.Decoder(wire.RawRun)
_MARKED = msgspec.json.Decoder(wire.MarkedEntry)
_METRICS = msgspec.json.Decoder(wire.MetricsBody)
_LOGS = msgspec.json.Decoder(wire.LogsBody)
_BATCH = msgspec.json.Decoder(wire.BatchBody)
_RAW_BATCH = msgspec.json.Decoder(wire.RawBatch)


class Origin(NamedTuple):
    """What a delivery has from its request: its identity and when it came (Unix microseconds)."""

    key: str
    received: int

    def of_part(self, part: str) -> Origin:
        """Return the origin of one part of a batch."""
        return self._replace(key=f"{self.key}/{part}")


def identify(path: str, header: str, body: bytes) -> str:
    """Return what is the same for a request and its repetitions: of the header if there is one."""
    said = b"key\0" + header.encode() if header else b"body\0" + body
    return hashlib.blake2b(path.encode() + b"\0" + said, digest_size=16).hexdigest()


def decode(kind: str, body: bytes, origin: Origin) -> dict[str, Delivery]:
    """Return the deliveries of one body of `POST /wandb/<kind>` by the name of its part.

    Raises:
        Refusal: 400, naming the field.
    """
    try:
        body.decode("utf-8")
        return _DECODERS[kind](mend(body), origin)
    except UnicodeDecodeError:
        _refuse("the body is not UTF-8")
    except RecursionError:
        _refuse("the body is nested too deeply")
    except msgspec.DecodeError as error:  # and ValidationError, which is one
        _refuse(_by_field(str(error)))


def _decode_detection(body: bytes, origin: Origin) -> dict[str, Delivery]:
    raw = _RAW_DETECTION.decode(body)
    return {"detection": _detection(_DETECTION.decode(body), raw, origin)}


def _decode_metrics(body: bytes, origin: Origin) -> dict[str, Delivery]:
    return {"metrics": _metrics(_METRICS.decode(body), origin)}


def _decode_logs(body: bytes, origin: Origin) -> dict[str, Delivery]:
    return {"logs": _logs(_LOGS.decode(body), origin)}


def _decode_batch(body: bytes, origin: Origin) -> dict[str, Delivery]:
    batch = _BATCH.decode(body)
    parts = {}
    if batch.detection is not None:
        raw = _RAW_BATCH.decode(body).detection or wire.RawDetection()
        parts["detection"] = _detection(batch.detection, raw, origin.of_part("detection"), "detection.")
    if batch.metrics is not None:
        parts["metrics"] = _metrics(batch.metrics, origin.of_part("metrics"), "metrics.")
    if batch.logs is not None:
        parts["logs"] = _logs(batch.logs, origin.of_part("logs"), "logs.")
    if not parts:
        _refuse("the body: expected detection, metrics or logs")
    return parts


_DECODERS: Mapping[str, Callable[[bytes, Origin], dict[str, Delivery]]] = {
    "detection": _decode_detection,
    "metrics": _decode_metrics,
    "logs": _decode_logs,
    "batch": _decode_batch,
}


def _metrics(body: wire.MetricsBody, origin: Origin, at: str = "") -> Delivery:
    default = _microseconds(body.timestamp) or origin.received
    points = [
        Stored(
            point.name,
            point.step,
            _microseconds(point.timestamp) or default,
            point.value,
            tuple(sorted(point.tags.items())) if point.tags else (),
        )
        for point in body.metrics
        if point.name not in METADATA
    ]
    return _delivery(body, origin, at, run_id=body.run_id, points=points)


def _logs(body: wire.LogsBody, origin: Origin, at: str = "") -> Delivery:
    default = _microseconds(body.timestamp) or origin.received
    entries: list[Entry] = []
    events: list[Event] = []
    for index, entry in enumerate(body.logs):
        data = bytes(entry.data).strip()
        if not data.startswith(b"{"):
            _refuse(f"{at}logs[{index}].data: expected object")
        timestamp = _microseconds(entry.timestamp) or default
        # Of a clock that goes ahead: nothing later could stand above it.
        believed = believe(timestamp, origin.received)
        event = _read_event(data, believed) if wire.EVENT.encode() in data else None
        if event is None:
            entries.append(Entry(entry.step, timestamp, data.decode()))
        else:
            events.append(event)
    return _delivery(body, origin, at, run_id=body.run_id, entries=entries, events=events)


def _read_event(data: bytes, timestamp: int) -> Event | None:
    """Return the event that an entry stands for; what only looks like one stays an entry."""
    try:
        marked = _MARKED.decode(data).event
    except msgspec.DecodeError:
        return None
    if marked is None:
        return None
    pid = marked.pid or None
    return Event(marked.kind, timestamp, marked.host, marked.exit_code, marked.cause, pid)


def _detection(
    body: wire.DetectionBody, raw: wire.RawDetection, origin: Origin, at: str = ""
) -> Delivery:
    run, hardware = body.evidence.wandb, body.evidence.hardware or None
    raw_run = _RUN.decode(raw.evidence).wandb
    detection = Detection(
        run.id,
        believe(_microseconds(body.timestamp) or origin.received, origin.received),
        bytes(raw.evidence).decode(),
        bytes(raw.hints).decode(),
        decide(body),
        name=run.name,
        project=run.project,
        config=bytes(raw_run.config).decode(),
        tags=bytes(raw_run.tags).decode(),
        gpu_name=hardware.gpu_name if hardware else "",
        gpu_count=hardware.gpu_count if hardware else None,
        rank=find_rank(body.evidence.environment),
    )
    return _delivery(body, origin, at, run_id=run.id, detections=[detection])


def _delivery(
    head: wire.MetricsBody | wire.LogsBody | wire.DetectionBody,
    origin: Origin,
    at: str,
    *,
    run_id: str,
    **content: Any,
) -> Delivery:
    workload = head.workload_uid or head.pod_name
    if not workload:
        _refuse(f"{at}either workload_uid or pod_name is required".replace(".either", ": either"))
    namespace = head.namespace if isinstance(head, wire.DetectionBody) else ""
    pod = {"pod_uid": head.pod_uid, "pod_name": head.pod_name, "namespace": namespace}
    known = {name: value for name, value in pod.items() if value}
    source = head.source or "wandb"
    if sum(len(name.encode()) for name in (workload, head.pod_uid, head.pod_name)) > wire.WHOSE:
        whose = f"{at}workload_uid, {at}pod_uid, {at}pod_name"
        _refuse(f"{whose}: expected at most {wire.WHOSE} bytes together")
    # Senders may count their keys from 1, each pod and each run by itself.
    sender = json.dumps((origin.key, workload, head.pod_uid, head.pod_name, run_id)).encode()
    key = hashlib.blake2b(sender, digest_size=16).hexdigest()
    return Delivery(key, workload, source, origin.received, run_id, known, **content)


def _microseconds(seconds: float) -> int:
    return round(seconds * SECOND)


def _by_field(message: str) -> str:
    """Return msgspec's message with the field in front: ``metrics[3].step: expected int, got str``."""
    what, found, where = message.rpartition(" - at ")
    if not found:
        return f"the body: {_plain(message)}"
    field = where.strip("`").replace("$.", "", 1)
    missing = re.fullmatch(r"Object missing required field `(.+)`", what)
    if missing:
        return f"{field}.{missing.group(1)}: a required field is missing"
    return f"{field}: {_plain(what)}"


def _plain(message: str) -> str:
    message = message.replace("`", "")
    return message if message.startswith("JSON") else message[0].lower() + message[1:]


def _refuse(error: str) -> NoReturn:
    raise Refusal(400, "invalid", error)
