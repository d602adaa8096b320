"""The table of figures, budgets and verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .pairs import Figure

_HEADINGS = ("what", "figure", "quartiles", "rounds", "without", "ratio", "budget", "verdict")


class Row(NamedTuple):
    """One measurement. Without a figure it is a remark: what could not be measured, and why."""

    what: str
    figure: Figure | None
    unit: str = ""
    budget: float | None = None  # in `unit`; a figure up to here is within
    peer: bool = False  # measured on something else, for scale
    at_least: bool = False  # a figure from the budget on is within

    @property
    def verdict(self) -> str:
        """`within`, or `OVER` (`UNDER`, if it is the least) the budget; empty where there is none."""
        if self.figure is None or self.budget is None:
            return ""
        if self.at_least:
            return "within" if self.figure.value >= self.budget else "UNDER"
        return "within" if self.figure.value <= self.budget else "OVER"

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        fields = self._asdict()
        del fields["figure"]
        return {**fields, **(self.figure._asdict() if self.figure else {}), "verdict": self.verdict}


def _number(value: float) -> str:
    if abs(value) >= 1000 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.1f}"


def _cells(row: Row) -> Sequence[str]:
    what = f"    {row.what}" if row.peer else row.what
    figure = row.figure
    if figure is None:
        return (what,)
    sign = "+" if figure.baseline is not None and figure.value >= 0 else ""
    return (
        what,
        f"{sign}{_number(figure.value)} {row.unit}",
        f"{_number(figure.low)} … {_number(figure.high)}" if figure.count > 1 else "",
        str(figure.count),
        "" if figure.baseline is None else f"{_number(figure.baseline)} {row.unit}",
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        "" if row.budget is None else f"{'≥ ' * row.at_least}{_number(row.budget)} {row.unit}",
        row.verdict,
    )


def render(sections: Iterable[tuple[str, Sequence[Row]]]) -> str:
    """Return the table as aligned text, a headline for each section."""
    sections = list(sections)
    cells = {title: [_cells(row) for row in rows] for title, rows in sections}
    full = [_HEADINGS, *(line for lines in cells.values() for line in lines if len(line) > 1)]
    widths = [max(len(line[column]) for line in full) for column in range(len(_HEADINGS))]

    def align(line: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if 0 < column < len(_HEADINGS) - 1 else text.ljust(width)
            for column, (text, width) in enumerate(zip(line, widths))
        )
        return "  ".join(padded).rstrip()

    lines = [align(_HEADINGS), "-" * sum(widths, 2 * len(widths) - 2)]
    for title, section_lines in cells.items():
        lines += ["", title, *(align(line) for line in section_lines)]
    return "\n".join(lines)
