"""`GET /series…`: the curves of several runs on a grid that they share, down-sampled in the database."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..answer import answer
from ..auth import require
from ..refusal import Refusal
from ..settings import Settings
from ..store import Store
from .outside import key_of
from .parameters import MILLISECOND, MOST_DIGITS, read_keys, read_texts, read_whole, refuse
from .rows import as_rows, label_runs

AXES = {"step": 1, "time": MILLISECOND, "relative": MILLISECOND}  # of the store's units in ours
MOST_RUNS = 20
MOST_METRICS = 100
MOST_BUCKETS = 2000
_MOST_CELLS = 400_000  # of all series together: an answer of about 40 MB
_AT_ONCE = 4
_PATIENCE = 5.0  # seconds to wait for a turn: a page asks for several charts at once
_PARTS = min(4, os.cpu_count() or 1)  # questions of one answer, side by side
_FAR = 2**61  # of two places within, each engine can take the difference
WIDEST = 10**15


class Curves:
    """The paths over one store; each is called on a thread of Starlette's pool."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._at_once = threading.BoundedSemaphore(_AT_ONCE)
        self._pool = ThreadPoolExecutor(_PARTS, "processor-series")

    def series(self, request: Request) -> Response:
        """Answer minimum, maximum, mean and count of each bucket in which there is a point."""
        with self._turn(request):
            return answer(self._sample(request))

    def rows(self, request: Request) -> Response:
        """Answer the same as rows, one a bucket."""
        with self._turn(request):
            found = self._sample(request)
            labels = label_runs(self._store, {one["run"] for one in found["series"]})
            rows = as_rows(found.pop("series"), labels, found["start"], found["width"])
            return answer({**found, "rows": rows})

    @contextmanager
    def _turn(self, request: Request) -> Iterator[None]:
        """Let in those who may ask, not too many at once."""
        require(request, self._settings.read_token)
        if not self._at_once.acquire(timeout=_PATIENCE):
            raise Refusal(429, "busy", "too many questions at once", {"Retry-After": "1"})
        try:
            yield
        finally:
            self._at_once.release()

    def _sample(self, request: Request) -> dict[str, Any]:
        runs = read_keys(request, MOST_RUNS)
        axis = request.query_params.get("axis", "").strip() or "step"
        if axis not in AXES:
            refuse(f"axis: expected of {', '.join(AXES)}")
        names = read_texts(request, "metric") or self._all_names(runs)
        if len(names) > MOST_METRICS:
            refuse(f"metric: expected at most {MOST_METRICS}")
        unit = AXES[axis]
        extent = self._store.extent(runs, names, axis) if runs and names else None
        first, last = (place // unit for place in extent or (0, 0))
        start = _read_place(request, "start", max(first, -_FAR))
        end = _read_place(request, "end", min(max(last, start), _FAR))
        if end < start:
            refuse("end: expected no less than start")
        there = self._store.count_series(runs, names) if extent else 0  # a metric may have many tags
        width, buckets = _read_grid(request, end - start + 1, max(there, len(runs) * len(names)))
        grid = (axis, start * unit, width * unit, buckets, (end + 1) * unit - 1)
        found = self._ask(runs, names, grid) if extent else []
        order = {run: index for index, run in enumerate(runs)}
        found.sort(key=lambda one: (one["name"], order[one["run"]], one["source"], str(one["tags"])))
        series = [{**one, "run": key_of(one["run"])} for one in found]
        return {"axis": axis, "start": start, "width": width, "buckets": buckets, "series": series}

    def _ask(
        self, runs: list[int], names: list[str], grid: tuple[str, int, int, int, int]
    ) -> list[dict[str, Any]]:
        """Ask for parts of it side by side: a database reads one answer's points on one core."""
        parts = [([run], names[first::_PARTS]) for run in runs for first in range(_PARTS)]
        answers = self._pool.map(
            lambda part: self._store.series(part[0], part[1], *grid), [part for part in parts if part[1]]
        )
        return [one for answer in answers for one in answer]

    def _all_names(self, runs: list[int]) -> list[str]:
        """Return the metrics of the runs, by name, as many as may be asked for."""
        names = {series["name"] for run in runs for series in self._store.metrics(run)}
        return sorted(names)[:MOST_METRICS]


def _read_place(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(rf"-?[0-9]{{1,{MOST_DIGITS}}}", text):
        refuse(f"{name}: expected a whole number of at most {MOST_DIGITS} digits")
    return int(text)


def _read_grid(request: Request, length: int, series: int) -> tuple[int, int]:
    """Return the width of a bucket and how many there are: no more than were asked for.

    Fewer where so many series were asked for that the answer would be too large.
    """
    most = max(1, min(MOST_BUCKETS, _MOST_CELLS // max(1, series)))
    wished = read_whole(request, "buckets", 1000, MOST_BUCKETS)
    width = read_whole(request, "width", 0, WIDEST)
    if width:
        buckets = -(-length // width)
        if buckets > most:
            refuse(f"width: expected at least {-(-length // most)}, for so many series and this range")
        return width, buckets
    width = -(-length // max(1, min(wished, most)))
    return width, -(-length // width)
