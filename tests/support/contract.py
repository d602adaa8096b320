"""A strict reading of the wire contract: what a Go server with typed structs would refuse.

Stricter than that server where a body is merely suspicious: unknown fields and empty lists count.
"""

from __future__ import annotations

import json
import math
from typing import Any, Callable, NoReturn

INT64 = 2**63
EACH = "*"  # the check of every value of an object, whatever its name

Check = Callable[[Any, str], None]


class Violation(ValueError):
    """A body breaks the contract; the message names the field."""


def check(path: str, body: bytes) -> dict[str, Any]:
    """Parse and check one body of `POST <base>/wandb/<kind>`; return it parsed."""
    parsed = parse(body)
    kind = path.rpartition("/wandb/")[2]
    checker = {
        "detection": _detection,
        "metrics": _metrics,
        "logs": _logs,
        "batch": _batch,
    }.get(kind)
    if checker is None:
        raise Violation(f"no such path: {path}")
    checker(parsed, kind)
    return parsed


def parse(body: bytes) -> dict[str, Any]:
    """Parse JSON as Go does: UTF-8, no NaN or Infinity, and no key twice."""

    def refuse(token: str) -> NoReturn:
        raise Violation(f"{token} is not JSON")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise Violation(f"a key stands twice in {names}")
        return dict(pairs)

    parsed = json.loads(body.decode("utf-8"), parse_constant=refuse, object_pairs_hook=unique)
    if not isinstance(parsed, dict):
        raise Violation("the body is not an object")
    return parsed


def _need(condition: bool, where: str, expected: str, value: Any) -> None:
    if not condition:
        raise Violation(f"{where}: expected {expected}, got {value!r}")


def _text(value: Any, where: str) -> None:
    _need(type(value) is str, where, "a string", value)


def _truth(value: Any, where: str) -> None:
    _need(type(value) is bool, where, "a boolean", value)


def _integer(value: Any, where: str) -> None:
    _need(type(value) is int and -INT64 <= value < INT64, where, "an int64", value)


def _number(value: Any, where: str) -> None:
    _need(type(value) in (int, float) and math.isfinite(value), where, "a finite number", value)


def _time(value: Any, where: str) -> None:
    _number(value, where)
    _need(1e9 < value < 1e10, where, "Unix seconds", value)


def _map_of(check_value: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    def check_map(value: Any, where: str) -> None:
        _need(type(value) is dict, where, "an object", value)
        for name, nested in value.items():
            check_value(nested, f"{where}.{name}")

    return check_map


def _list_of(check_value: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    def check_list(value: Any, where: str) -> None:
        _need(type(value) is list, where, "a list", value)
        for index, nested in enumerate(value):
            check_value(nested, f"{where}[{index}]")

    return check_list


def _anything(value: Any, where: str) -> None:
    pass


def _object(value: Any, where: str) -> None:
    _need(type(value) is dict, where, "an object", value)


def _fields(
    value: Any,
    where: str,
    required: dict[str, Callable[[Any, str], None]],
    optional: dict[str, Callable[[Any, str], None]] | None = None,
) -> None:
    _object(value, where)
    optional = optional or {}
    for name in required:
        _need(name in value, where, f"a field {name!r}", sorted(value))
    for name, nested in value.items():
        checker = required.get(name) or optional.get(name)
        _need(checker is not None, f"{where}.{name}", "no such field", nested)
        assert checker is not None
        checker(nested, f"{where}.{name}")


_IDENTITY = {"source": _text, "workload_uid": _text, "pod_uid": _text, "pod_name": _text}


def _known_workload(body: dict[str, Any], where: str) -> None:
    _need(body["source"] == "wandb", f"{where}.source", "'wandb'", body["source"])
    known = body["workload_uid"] or body["pod_name"]
    _need(bool(known), where, "either workload_uid or pod_name is required", body)


def _has_something(body: dict[str, Any], field: str) -> bool:
    # Only the doctor asks with an empty body whether one would be taken.
    return bool(body[field]) or body["run_id"] == "primus-lens-doctor"


def _metrics(body: dict[str, Any], where: str) -> None:
    point = {
        "name": _text,
        "value": _number,
        "step": _integer,
        "timestamp": _time,
        "tags": _map_of(_text),
    }

    def check_point(value: Any, at: str) -> None:
        _fields(value, at, point)
        _need(bool(value["name"]), f"{at}.name", "a name", value["name"])

    _fields(
        body,
        where,
        {**_IDENTITY, "run_id": _text, "timestamp": _time, "metrics": _list_of(check_point)},
    )
    _known_workload(body, where)
    _need(bool(body["run_id"]), f"{where}.run_id", "a run", body["run_id"])
    _need(_has_something(body, "metrics"), where, "at least one point", body["metrics"])


def _event(value: Any, at: str) -> None:
    begins = isinstance(value, dict) and value.get("kind") == "started"
    _fields(
        value,
        at,
        {
            "kind": lambda kind, at: _need(
                kind in ("started", "finished", "failed"), at, "a kind", kind
            ),
            "host": _text,
            "pid": _integer,
            "exit_code": _nothing if begins else _integer,
            "cause": _text,
        },
    )


def _nothing(value: Any, where: str) -> None:
    _need(value is None, where, "null", value)


def _logs(body: dict[str, Any], where: str) -> None:
    def check_entry(value: Any, at: str) -> None:
        _fields(value, at, {"step": _integer, "timestamp": _time, "data": _object})
        for name, nested in value["data"].items():
            if isinstance(nested, dict):  # an event: what a log call was given comes flattened
                _need(name == "primus_lens.event", f"{at}.data", "no object", value["data"])
                _event(nested, f"{at}.data.{name}")

    _fields(
        body,
        where,
        {**_IDENTITY, "run_id": _text, "timestamp": _time, "logs": _list_of(check_entry)},
    )
    _known_workload(body, where)
    _need(bool(body["logs"]), f"{where}.logs", "at least one entry", body["logs"])


def _framework(value: Any, at: str) -> None:
    _framework_in_part(value, at)
    _need(value.get("detected") is True and "version" in value, at, "detected, with a version", value)


def _framework_in_part(value: Any, at: str) -> None:
    types = {"detected": _truth, "version": _text, "in_use": _truth, "base_framework": _text}
    _fields(value, at, {}, types)


_REQUIRED_EVIDENCE: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "wandb": (
        {"project": _text, "name": _text, "id": _text, "config": _object, "tags": _list_of(_text)},
        {"entity": _text, "group": _text, "job_type": _text},
    ),
    "environment": ({EACH: _text}, {}),
    "pytorch": (
        {
            "available": _truth,
            "version": _text,
            "cuda_available": _truth,
            "detected_modules": _map_of(_truth),
        },
        {
            "cuda_version": _text,
            "hip_version": _text,
            "distributed": lambda value, at: _fields(
                value, at, {}, {"backend": _text, "world_size": _integer}
            ),
        },
    ),
    "wrapper_frameworks": ({EACH: _framework}, {}),
    "base_frameworks": ({EACH: _framework}, {}),
}
_OPTIONAL_EVIDENCE: dict[str, tuple[dict[str, Check], dict[str, Check]]] = {
    "system": ({EACH: _anything}, {}),
    "hardware": (
        {"gpu_count": _integer, "gpu_count_host": _integer, "gpus": _list_of(_object)},
        {
            **dict.fromkeys(("gpu_arch", "gpu_name", "rocm_version", "cuda_version"), _text),
            "driver_version": _text,
            "gpu_memory_gb": _number,
        },
    ),
    "software": ({}, {"packages": _map_of(_text), "rocm_version": _text}),
    "build": (
        {},
        dict.fromkeys(
            """build_url dockerfile_url image_tag build_date git_commit git_branch git_repo
            ci_pipeline_id""".split(),
            _text,
        ),
    ),
    "git": ({}, {"commit": _text, "branch": _text, "remote": _text, "dirty": _truth}),
}


def check_evidence(evidence: Any, where: str = "evidence", *, complete: bool = True) -> None:
    """Check the evidence of a detection record; unless `complete`, any field may be missing."""

    def check_part(name: str) -> Check:
        required, optional = {**_REQUIRED_EVIDENCE, **_OPTIONAL_EVIDENCE}[name]
        if EACH in required:
            check = required[EACH]
            return _map_of(_framework_in_part if check is _framework and not complete else check)
        if not complete:
            required, optional = {}, {**required, **optional}
        return lambda value, at: _fields(value, at, required, optional)

    required = {name: check_part(name) for name in _REQUIRED_EVIDENCE}
    optional = {name: check_part(name) for name in _OPTIONAL_EVIDENCE}
    if complete:
        _fields(evidence, where, required, optional)
    else:
        _fields(evidence, where, {}, {**required, **optional})


def _detection(body: dict[str, Any], where: str) -> None:
    def check_hints(value: Any, at: str) -> None:
        _fields(
            value,
            at,
            {
                "wrapper_frameworks": _list_of(_text),
                "base_frameworks": _list_of(_text),
                "possible_frameworks": _list_of(_text),
                "confidence": _text,
                "primary_indicators": _list_of(_text),
                "framework_layers": _map_of(_object),
            },
        )
        _need(value["confidence"] in ("low", "medium", "high"), at, "a confidence", value["confidence"])
        joined = value["wrapper_frameworks"] + value["base_frameworks"]
        _need(value["possible_frameworks"] == joined, at, "wrappers, then bases", value)

    _fields(
        body,
        where,
        {
            **_IDENTITY,
            "namespace": _text,
            "type": _text,
            "version": _text,
            "evidence": check_evidence,
            "hints": check_hints,
            "timestamp": _time,
        },
    )
    _known_workload(body, where)
    _need(body["type"] == "framework_detection_raw", f"{where}.type", "the type", body["type"])
    _need(body["version"] == "1.0", f"{where}.version", "'1.0'", body["version"])


def _batch(body: dict[str, Any], where: str) -> None:
    parts = {"detection": _detection, "metrics": _metrics, "logs": _logs}
    for name, part in body.items():
        _need(name in parts, f"{where}.{name}", "no such part", part)
        parts[name](part, f"{where}.{name}")
