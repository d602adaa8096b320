"""JSON as text, by `orjson` where it is installed, else by the standard library."""

from __future__ import annotations

from collections.abc import Iterable
from json import dumps
from typing import Any

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment]


def to_json(value: Any) -> str:
    """Return a value as compact JSON text.

    Raises:
        ValueError: it holds NaN or an infinity (with `orjson`, these become null).
        TypeError: it holds something JSON has no form for.
    """
    if orjson is not None:
        try:
            return str(orjson.dumps(value), "utf-8")
        except TypeError:  # what orjson refuses, `json` may take: lone surrogates, huge integers
            pass
    return dumps(value, allow_nan=False, separators=(",", ":"))


def numbers_to_json(numbers: Iterable[float]) -> list[str]:
    """Return the text of each of some plain finite floats and integers."""
    if orjson is not None:
        try:
            return str(orjson.dumps(list(numbers)), "ascii")[1:-1].split(",")
        except TypeError:  # an integer of more than 64 bits
            pass
    return list(map(repr, numbers))
