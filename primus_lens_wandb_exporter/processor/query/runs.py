"""`GET /runs…`: which runs there are, how they stand, and what they said."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..answer import answer
from ..auth import require
from ..refusal import Refusal
from ..settings import Settings
from ..store import PAGE_OF_ENTRIES, Store
from .cursor import Whole, read_cursor, write_cursor
from .outside import all_in_milliseconds, as_it_came, show_run
from .parameters import (
    LARGEST_PAGE,
    MILLISECOND,
    read_choices,
    read_key,
    read_page,
    read_search,
    read_text,
    read_whole,
    read_workload,
)

STATES = ("running", "finished", "failed", "crashed")
MOST_MARKS = 10_000
_ENTRY = tuple[Whole, Whole, Whole]  # where a page of log entries ends: time, step and digest


class Runs:
    """The paths of runs over one store; each is called on a thread of Starlette's pool.

    A run that nobody knows has empty lists; only it itself is answered with 404.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store

    def all(self, request: Request) -> Response:
        """Answer a page of the runs, of all workloads or of one."""
        require(request, self._settings.read_token)
        found = self._page(request, read_text(request, "workload") or None)
        return answer({**found, "runs": [show_run(run) for run in found["runs"]]})

    def of_workload(self, request: Request) -> Response:
        """Answer a page of the runs of a workload, with their configs."""
        require(request, self._settings.read_token)
        workload = read_workload(request)
        found = self._page(request, workload)
        configs = self._store.configs([run["id"] for run in found["runs"]])
        runs = [show_run({**run, "config": configs.get(run["id"], "{}")}) for run in found["runs"]]
        return answer({"workload_uid": workload, **found, "runs": runs})

    def one(self, request: Request) -> Response:
        """Answer a run, with its config and its latest detection record."""
        found = self._store.run(self._run(request), _now())
        if found is None:
            raise _unknown(request)
        return answer(show_run(found))

    def metrics(self, request: Request) -> Response:
        """Answer what is known of each metric of a run."""
        found = self._store.metrics(self._run(request))
        for series in found:
            series["first_time"] = series.pop("first_ts") // MILLISECOND
            series["last_time"] = series.pop("last_ts") // MILLISECOND
        return answer({"metrics": found, "total_count": len(found)})

    def logs(self, request: Request) -> Response:
        """Answer a page of the log entries of a run, the latest first."""
        limit = read_whole(request, "limit", 100, LARGEST_PAGE, 1)
        run, before = self._run(request), read_cursor(request, _ENTRY)
        found = self._store.entries(run, limit + 1, before)
        page = found[:limit]
        more = len(found) > limit or sum(len(entry["data"]) for entry in found) >= PAGE_OF_ENTRIES
        behind = write_cursor(*_place(page[-1])) if page and more else None
        for entry in page:
            del entry["digest"]
            entry["data"] = as_it_came(entry["data"])
        return answer({"entries": all_in_milliseconds(page), "next": behind})

    def marks(self, request: Request) -> Response:
        """Answer where a run logged what is no finite number."""
        run = self._run(request)
        limit = read_whole(request, "limit", 1000, MOST_MARKS)
        return answer({"marks": all_in_milliseconds(self._store.marks(run, limit))})

    def _page(self, request: Request, workload: str | None) -> dict[str, Any]:
        search, states = read_search(request), read_choices(request, "state", STATES)
        limit, offset = read_page(request)
        return self._store.runs(_now(), workload, search, states, limit, offset)

    def _run(self, request: Request) -> int:
        require(request, self._settings.read_token)
        found = read_key(request.path_params["run"])
        if found is None:
            raise _unknown(request)
        return found


def _place(entry: Mapping[str, Any]) -> tuple[int, int, int]:
    return entry["timestamp"], entry["step"], entry["digest"]


def _unknown(request: Request) -> Refusal:
    return Refusal(404, "unknown", f"there is no run {request.path_params['run']!r}")


def _now() -> int:
    return time.time_ns() // 1000
