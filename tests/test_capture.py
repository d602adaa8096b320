"""What one `wandb.log` call is split into: finite numbers, log entries, things left out."""

from __future__ import annotations

import copy
import enum
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.capture import MAX_DEPTH, MAX_TEXT, Captured, capture, to_plain

from .support.properties import patient

numbers = st.integers() | st.floats(allow_nan=True, allow_infinity=True)
scalars = numbers | st.booleans() | st.text(max_size=8)
anything = scalars | st.none() | st.lists(numbers, max_size=3) | st.complex_numbers()


def nested(
    keys: st.SearchStrategy[str], leaves: st.SearchStrategy[Any]
) -> st.SearchStrategy[dict[str, Any]]:
    tree = st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=4), max_leaves=12)
    return st.dictionaries(keys, tree, max_size=5)


plain_keys = st.text(alphabet="abcé/ _", min_size=1, max_size=3)
colliding_keys = st.sampled_from(["a", "b", "a.b", "b.a", "a.a", "a.b.a", "."])


def leaves_of(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from leaves_of(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def as_float(value: int | float) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def is_sound(captured: Captured) -> bool:
    return (
        all(type(value) is float and math.isfinite(value) for value in captured.metrics.values())
        and all(type(value) in (str, bool) for value in captured.entries.values())
        and not captured.metrics.keys() & captured.entries.keys()
    )


@patient
@given(nested(plain_keys, scalars))
def test_every_value_is_found_once_under_its_joined_name(data: dict[str, Any]) -> None:
    metrics: dict[str, float] = {}
    entries: dict[str, str | bool] = {}
    skipped = 0
    for name, value in leaves_of(data):
        if isinstance(value, (bool, str)):
            entries[name] = value
            continue
        number = as_float(value)
        if number is None:
            skipped += 1
        elif math.isnan(number):
            entries[name] = "NaN"
        elif math.isinf(number):
            entries[name] = "Infinity" if number > 0 else "-Infinity"
        else:
            metrics[name] = number
    captured = capture(data)
    assert captured.metrics == metrics
    assert captured.entries == entries
    assert sum(captured.skipped.values()) == skipped
    assert is_sound(captured)


@patient
@given(nested(colliding_keys, anything))
@example({"a": {"b": True}, "a.b": 2})
@example({"a": {"b": 1}, "a.b": "x"})
@example({"a": {"b": 1}, "a.b": math.nan})
@example({"a.b": 1, "a": {"b": "x"}})
def test_a_literal_name_wins_over_a_nested_one(data: dict[str, Any]) -> None:
    captured = capture(data)
    assert is_sound(captured)
    for name, value in data.items():
        if isinstance(value, dict):
            continue
        alone = capture({name: value})
        if not alone.skipped:
            assert captured.metrics.get(name) == alone.metrics.get(name)
            assert captured.entries.get(name) == alone.entries.get(name)


@patient
@given(nested(st.text(max_size=5), anything))
def test_the_callers_data_is_unchanged(data: dict[str, Any]) -> None:
    before = repr(copy.deepcopy(data))
    capture(data)
    assert repr(data) == before


def test_the_result_holds_on_to_nothing_of_the_caller() -> None:
    data: dict[str, Any] = {"a": 1, "b": {"c": 2.5}}
    captured = capture(data)
    data["a"] = 7
    data["b"]["c"] = 7
    assert captured.metrics == {"a": 1.0, "b.c": 2.5}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (2**53, 2.0**53),
        (2**53 + 1, float(2**53 + 1)),
        (-(2**80), -(2.0**80)),
        (-0.0, 0.0),
        (Fraction(1, 4), 0.25),
        (Decimal("0.5"), 0.5),
        (enum.IntEnum("Level", "LOW HIGH").HIGH, 2.0),  # type: ignore[attr-defined]
    ],
)
def test_whatever_python_calls_a_number_is_a_metric(value: Any, number: float) -> None:
    captured = capture({"n": value})
    assert captured == Captured({"n": number}, {}, {})
    assert is_sound(captured)


class _RaisesInFloat:
    def __float__(self) -> float:
        raise RuntimeError("no")


class _Recurses:
    def __float__(self) -> float:
        return float(self)


class _RaisesInShape:
    @property
    def shape(self) -> tuple[int, ...]:
        raise KeyError("no")


class _ItemIsItself:
    shape = (1,)

    def item(self) -> _ItemIsItself:
        return self


@pytest.mark.parametrize(
    "value",
    [
        None,
        [1, 2],
        (1.0,),
        {1},
        b"bytes",
        object(),
        int,
        1j,
        10**400,
        _RaisesInFloat(),
        _Recurses(),
        _RaisesInShape(),
        _ItemIsItself(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_number_is_left_out_and_counted_by_its_type(value: Any) -> None:
    captured = capture({"before": 1, "odd": value, "nested": {"odd": value}, "after": 2})
    assert captured.metrics == {"before": 1.0, "after": 2.0}
    assert captured.entries == {}
    assert captured.skipped == {type(value).__name__: 2}


def test_nesting_is_followed_to_a_limit() -> None:
    inner: Any = 1
    for _ in range(MAX_DEPTH):
        inner = {"x": inner}
    assert capture({"x": inner}).metrics == {".".join("x" * (MAX_DEPTH + 1)): 1.0}
    assert capture({"x": {"x": inner}, "y": 2}) == Captured({"y": 2.0}, {}, {"nested too deeply": 1})


def test_a_mapping_that_contains_itself_ends() -> None:
    data: dict[str, Any] = {"a": 1}
    data["self"] = data
    captured = capture(data)
    assert captured.metrics["a"] == captured.metrics["self.a"] == 1.0
    assert captured.skipped == {"nested too deeply": 1}


def test_a_long_string_is_cut() -> None:
    captured = capture({"fits": "x" * MAX_TEXT, "long": "x" * (MAX_TEXT + 1)})
    assert captured.entries["fits"] == "x" * MAX_TEXT
    assert captured.entries["long"] == "x" * MAX_TEXT + "…"


def test_nested_keys_that_are_no_strings_are_shown_as_text() -> None:
    assert capture({"layer": {0: 1.5, (1, 2): 2.5}}).metrics == {"layer.0": 1.5, "layer.(1, 2)": 2.5}


def test_subclasses_of_str_and_float_leave_as_plain_ones() -> None:
    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "something else"

    class Number(float):
        pass

    assert to_plain(Text("t")) == "t"
    assert type(to_plain(Text("t"))) is str
    assert type(to_plain(Number(2))) is float
