"""`GET /workloads/…`: the service's query API; times are Unix milliseconds in and out."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ..answer import answer
from ..auth import require
from ..refusal import Refusal
from ..settings import Settings
from ..store import Position, Store
from .cursor import Whole, read_cursor, write_cursor
from .outside import all_in_milliseconds, in_milliseconds, show_pod
from .parameters import (
    MILLISECOND,
    read_flag,
    read_moment,
    read_page,
    read_search,
    read_text,
    read_texts,
    read_whole,
    read_workload,
)

MOST_POINTS = 1_000_000  # of one answer
_USUAL_POINTS = 100_000
_PLACE = tuple[Whole, str, Whole, Whole]  # where a page of points ends: a `Position`
_AT_ONCE = 3  # answers of points, which take memory


class Query:
    """The GET paths over one store; each is called on a thread of Starlette's pool.

    A workload that nobody knows has empty lists; only its framework is answered with 404.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._points_at_once = threading.BoundedSemaphore(_AT_ONCE)

    def detection(self, request: Request) -> Response:
        """Answer the merged verdict of a workload."""
        workload = self._workload(request)
        found = self._store.detection(workload)
        if found is None:
            raise Refusal(404, "unknown", f"no framework was detected for workload {workload!r}")
        return answer({"workload_uid": workload, **in_milliseconds(found)})

    def sources(self, request: Request) -> Response:
        """Answer the data sources of a workload."""
        workload = self._workload(request)
        found = self._store.sources(workload)
        return answer({"workload_uid": workload, "data_sources": found, "total_count": len(found)})

    def available(self, request: Request) -> Response:
        """Answer the metrics of a workload."""
        workload = self._workload(request)
        source = read_text(request, "data_source")
        found = self._store.available(workload, source)
        return answer(
            {
                "workload_uid": workload,
                "data_source": source,
                "metrics": found,
                "total_count": len(found),
            }
        )

    def data(self, request: Request) -> Response:
        """Answer the points of some metrics, or of all."""
        names = [*parse_names(read_text(request, "metrics")), *read_texts(request, "metric")]
        return self._points(request, self._store.points, names=names)

    def iteration_times(self, request: Request) -> Response:
        """Answer when each step was first reported."""
        return self._points(request, self._store.iterations)

    def workloads(self, request: Request) -> Response:
        """Answer a page of the workloads whose name holds `search`; with `silent`, and their pods."""
        require(request, self._settings.read_token)
        limit, offset = read_page(request)
        silent, since = read_flag(request, "silent"), read_moment(request, "since", 0)
        search, now = read_search(request), time.time_ns() // 1000
        found = self._store.workloads(now, search, limit, offset, silent=silent, since=since)
        workloads = all_in_milliseconds(found["workloads"])
        if silent:
            pods = self._store.silent_pods(now, [workload["uid"] for workload in workloads], since)
            for workload in workloads:
                workload["pods"] = [show_pod(pod) for pod in pods.get(workload["uid"], ())]
        return answer({**found, "workloads": workloads})

    def _workload(self, request: Request) -> str:
        require(request, self._settings.read_token)
        return read_workload(request)

    def _points(self, request: Request, ask: Any, **what: Any) -> Response:
        workload = self._workload(request)
        source = read_text(request, "data_source")
        start, end = read_moment(request, "start", 0), read_moment(request, "end", MILLISECOND - 1)
        limit = read_whole(request, "limit", _USUAL_POINTS, MOST_POINTS, 1)
        place = read_cursor(request, _PLACE)
        after = Position(*place) if place else None
        if not self._points_at_once.acquire(blocking=False):
            raise Refusal(429, "busy", "too many questions at once", {"Retry-After": "1"})
        try:
            found = ask(workload, source, start=start, end=end, limit=limit + 1, after=after, **what)
            page = found[:limit]
            behind = _place(page[-1]) if page and len(found) > limit else None
            for row in page:
                row.pop("series", None)
            return answer(
                {
                    "workload_uid": workload,
                    "data_source": source,
                    "data": all_in_milliseconds(page),
                    "total_count": len(page),
                    "truncated": len(found) > limit,
                    "next": behind,
                }
            )
        finally:
            self._points_at_once.release()


def _place(row: Mapping[str, Any]) -> str:
    return write_cursor(row["timestamp"], row["metric_name"], row["iteration"], row.get("series", 0))


def parse_names(text: str) -> Sequence[str]:
    """Return the names of `a,b` or `{a,b}`, none (which is all) of `all` or of nothing."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    names = [name.strip() for name in text.split(",") if name.strip()]
    return [] if names == ["all"] else names
