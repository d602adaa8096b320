"""Split what one `wandb.log` call was given into numbers, log entries and things not reported.

Runs in the training thread, after wandb itself took the data. The results hold plain Python
values only: a queued tensor could change later, or keep device memory alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple, Union

LogValue = Union[str, bool]

MAX_DEPTH = 16
MAX_TEXT = 8192  # characters of one string
_PLAIN = frozenset((float, int))


class Captured(NamedTuple):
    """Finite numbers and log entries by name, and how many values of each kind were left out."""

    metrics: dict[str, float]
    entries: dict[str, LogValue]
    skipped: dict[str, int]


def plain_numbers(data: Mapping[str, Any]) -> dict[str, float] | None:
    """Return a copy of the data if it is all finite floats and ints, as it mostly is, else None."""
    numbers: dict[str, float] = dict(data)  # in one step: another thread may change it meanwhile
    values = numbers.values()
    try:
        # A finite sum has finite terms; one that overflows goes the long way.
        if _PLAIN.issuperset(map(type, values)) and isfinite(sum(values)):
            return numbers
    except OverflowError:
        pass
    return None


def capture(data: Mapping[str, Any]) -> Captured:
    """Sort the values of one call; names of nested values are joined with `.`, as W&B shows them.

    NaN and the infinities cannot travel as a metric and become the strings `NaN`, `Infinity` and
    `-Infinity`. A value under a literal name wins over a nested one of the same joined name.
    """
    captured = Captured({}, {}, {})
    values = dict(data)  # copied in one step; a tuple of its items is not
    for name, value in values.items():
        if not isinstance(value, Mapping):
            _sort(name, value, captured)
    for name, value in values.items():
        if isinstance(value, Mapping):
            _flatten(name, value, captured, 1)
    return captured


def _flatten(prefix: str, mapping: Mapping[Any, Any], captured: Captured, depth: int) -> None:
    if depth > MAX_DEPTH:
        _skip(captured, "nested too deeply")
        return
    for key, value in dict(mapping).items():
        name = f"{prefix}.{key}"
        if isinstance(value, Mapping):
            _flatten(name, value, captured, depth + 1)
        elif name not in captured.metrics and name not in captured.entries:
            _sort(name, value, captured)


def _sort(name: str, value: Any, captured: Captured) -> None:
    plain = to_plain(value)
    if plain is None:
        _skip(captured, type(value).__name__)
    elif isinstance(plain, float) and isfinite(plain):
        captured.metrics[name] = plain
    elif isinstance(plain, float):
        captured.entries[name] = non_finite_name(plain)
    elif isinstance(plain, str) and len(plain) > MAX_TEXT:
        captured.entries[name] = plain[:MAX_TEXT] + "…"
    else:
        captured.entries[name] = plain


def _skip(captured: Captured, kind: str) -> None:
    captured.skipped[kind] = captured.skipped.get(kind, 0) + 1


def non_finite_name(value: float) -> str:
    """Return the name JavaScript and Protobuf's JSON give to a NaN or an infinity."""
    if value != value:
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def to_plain(value: Any) -> float | LogValue | None:
    """Return the value as a plain float, bool or str, or None if it is none of these.

    Array-likes of exactly one element (NumPy, Torch, JAX, on any device and of any dtype that
    Python can convert) are numbers, as W&B treats them.
    """
    kind = type(value)
    if kind is bool or kind is str:
        return value  # type: ignore[no-any-return]
    try:
        if isinstance(value, (float, int)):
            return float(value)
        if isinstance(value, str):
            return str.__str__(value)
        size = _size(value)
        if size == 1:
            return to_plain(value.item()) if hasattr(value, "item") else float(value)
        if size is None and hasattr(kind, "__float__"):
            return float(value)
    except Exception:  # a value that cannot be converted is skipped and counted, whatever it raised
        pass
    return None


def _size(value: Any) -> int | None:
    """Return the number of elements of an array-like, or None for anything else."""
    shape = getattr(value, "shape", None)
    if not isinstance(shape, tuple):
        return None
    size = 1
    for length in shape:
        size *= length
    return size
