"""Statistics of interleaved pairs: what one thing costs more than another, on a noisy machine.

Variants take turns in one run (A B C, C B A, ...), so that a machine which slows down slows all of
them. Every difference is taken inside one round, and the median of the differences is the figure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Callable, NamedTuple, TypeVar

T = TypeVar("T")


class Figure(NamedTuple):
    """A median with its quartiles, over `count` rounds; beside the baseline where there is one."""

    value: float
    low: float
    high: float
    count: int
    baseline: float | None = None  # median of the other side of the pairs
    ratio: float | None = None  # median over the pairs of this side by the other


def interleave(rounds: int, variants: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Call each variant once a round, every second round backwards; return the results by variant."""
    results: dict[str, list[T]] = {name: [] for name in variants}
    for index in range(rounds):
        for name in list(variants)[:: -1 if index % 2 else 1]:
            results[name].append(variants[name]())
    return results


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which `share` (0 to 1) of the values lie, interpolated between two."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def summarise(values: Sequence[float]) -> Figure:
    """Return median and quartiles."""
    return Figure(quantile(values, 0.5), quantile(values, 0.25), quantile(values, 0.75), len(values))


def added(with_it: Sequence[float], without: Sequence[float]) -> Figure:
    """Return what one side of the pairs has more than the other."""
    ratios = [a / b for a, b in zip(with_it, without) if b]
    return summarise([a - b for a, b in zip(with_it, without)])._replace(
        baseline=quantile(without, 0.5), ratio=quantile(ratios, 0.5) if ratios else None
    )


def worst(values: Sequence[float]) -> Figure:
    """Return the largest value, with the quartiles of all."""
    return summarise(values)._replace(value=max(values))
