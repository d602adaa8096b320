"""Which step a logged value belongs to."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from primus_lens_wandb_exporter.steps import (
    BY_PRECEDENCE,
    StepMetrics,
    group_by_step,
    to_step,
    well_known_step,
)

from .support.properties import patient

names = st.text(alphabet="ab/", min_size=1, max_size=4)
metric_values = st.integers(-5, 5).map(float) | st.floats(allow_nan=False, allow_infinity=False)


@patient
@given(st.integers())
@example(2**63 - 1)
@example(2**63)
@example(-(2**63))
@example(-(2**63) - 1)
def test_an_integer_is_a_step_if_it_fits_64_bits(value: int) -> None:
    assert to_step(value) == (value if -(2**63) <= value <= 2**63 - 1 else None)


@patient
@given(st.floats())
@example(float(2**63))
@example(-float(2**63))
@example(1e300)
@example(-0.0)
def test_a_float_is_a_step_if_it_is_whole_and_fits(value: float) -> None:
    whole = math.isfinite(value) and value == math.floor(value) and -(2.0**63) <= value < 2.0**63
    step = to_step(value)
    assert step == (int(value) if whole else None)
    assert step is None or type(step) is int


@pytest.mark.parametrize("value", [None, "7", "", b"7", [7], {}, object(), 7j])
def test_what_is_no_number_is_no_step(value: Any) -> None:
    assert to_step(value) is None


def test_a_boolean_step_is_the_integer_that_wandb_takes_it_for() -> None:
    assert [(to_step(value), type(to_step(value))) for value in (False, True)] == [(0, int), (1, int)]


@pytest.mark.parametrize("kind", ["int8", "int32", "int64", "uint16", "float32", "float64"])
def test_numpy_numbers_are_steps(kind: str) -> None:
    np = pytest.importorskip("numpy")
    step = to_step(getattr(np, kind)(12))
    assert step == 12
    assert type(step) is int


def test_a_large_numpy_integer_keeps_every_digit() -> None:
    np = pytest.importorskip("numpy")
    assert to_step(np.int64(2**53 + 1)) == 2**53 + 1


@patient
@given(
    st.dictionaries(st.sampled_from([*BY_PRECEDENCE, "step", "loss"]), metric_values), st.integers(0, 9)
)
def test_the_first_well_known_name_with_a_whole_number_gives_the_step(
    metrics: dict[str, float], counter: int
) -> None:
    carried = [to_step(metrics[name]) for name in BY_PRECEDENCE if name in metrics]
    whole = [step for step in carried if step is not None]
    assert well_known_step(metrics, counter) == (whole[0] if whole else counter)


definitions = st.lists(
    st.tuples(st.one_of(names, names.map(lambda name: name + "*"), st.just("*")), names), max_size=8
)


def defined(pairs: list[tuple[str, str]]) -> StepMetrics:
    step_metrics = StepMetrics()
    for name, step_metric in pairs:
        step_metrics.define(name, step_metric)
    return step_metrics


@patient
@given(definitions, names)
def test_an_exact_definition_wins_over_a_longer_over_a_shorter_glob(
    pairs: list[tuple[str, str]], name: str
) -> None:
    latest = dict(pairs)
    matching = [glob for glob in latest if glob.endswith("*") and name.startswith(glob[:-1])]
    winner = name if name in latest else max(matching, key=len, default="")
    step_metrics = defined(pairs)
    assert step_metrics.step_metric_of(name) == latest.get(winner)
    assert step_metrics.defined == bool(pairs)


@patient
@given(st.dictionaries(names, metric_values), definitions, st.integers(0, 9))
def test_grouping_keeps_every_value_once(
    metrics: dict[str, float], pairs: list[tuple[str, str]], default: int
) -> None:
    step_metrics = defined(pairs)
    groups = group_by_step(metrics, metrics, step_metrics, default)
    regrouped = [(name, value) for group in groups.values() for name, value in group.items()]
    assert sorted(regrouped) == sorted(metrics.items())
    for step, group in groups.items():
        for name in group:
            carried = to_step(metrics.get(step_metrics.step_metric_of(name) or ""))
            assert step == (default if carried is None else carried)


def test_entries_take_their_step_from_the_metrics_of_the_call() -> None:
    step_metrics = defined([("val/*", "epoch")])
    entries = {"val/note": "good", "note": "fine"}
    groups = group_by_step(entries, {"epoch": 3.0}, step_metrics, default=40)
    assert groups == {3: {"val/note": "good"}, 40: {"note": "fine"}}
