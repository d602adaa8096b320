"""The web application: which path is answered by what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from .answer import answer, refuse
from .ingest.decode import KINDS
from .ingest.receive import Ingest
from .meters import Meters
from .query.contract import Query
from .query.live import Live
from .query.runs import Runs
from .query.series import Curves
from .refusal import Refusal
from .settings import Settings
from .store import Store
from .store.writer import Writer
from .watch import Watch

_BASE = "/api/v1"
_WORKLOAD = _BASE + "/workloads/{uid:path}"
_RUN = _BASE + "/runs/{run}"
_log = logging.getLogger(__name__)


def make_app(
    settings: Settings,
    writer: Writer,
    store: Store,
    log: Callable[[str], Any] = lambda line: None,
) -> Starlette:
    """Return the application; `log` takes one line of JSON a request. It closes nothing it is given.

    Its `state.stop_streams()`, called in the event loop, ends what would go on for ever.
    """
    meters = Meters(lambda: writer.waiting)
    ingest = Ingest(settings, writer, meters)
    query, runs = Query(settings, store), Runs(settings, store)
    live = Live(settings, store)

    async def health(request: Request) -> Response:
        return answer({"status": "ok"})

    def ready(request: Request) -> Response:
        try:
            store.check()
        except Exception:
            _log.exception("not ready")
            raise Refusal(503, "not_ready", "the database does not answer") from None
        return answer({"status": "ready"})

    def metrics(request: Request) -> Response:
        return Response(meters.text(), media_type=meters.content_type)

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        meters.refusals.labels(error.reason).inc()
        return refuse(error.status, error.error, error.headers)

    def gone(request: Request, error: Exception) -> Response:
        meters.refusals.labels("disconnected").inc()
        return refuse(400, "the body was cut short")  # which nobody reads

    def no_route(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return refuse(error.status_code, error.detail, error.headers)

    def failed(request: Request, error: Exception) -> Response:
        return refuse(500, "internal error")

    posts = [Route(f"{_BASE}/wandb/{kind}", ingest.take, methods=["POST"]) for kind in KINDS]
    gets = [
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics),
        Route(f"{_BASE}/workloads", query.workloads),
        Route(f"{_WORKLOAD}/runs", runs.of_workload),
        Route(f"{_WORKLOAD}/framework-detection", query.detection),
        Route(f"{_WORKLOAD}/metrics/sources", query.sources),
        Route(f"{_WORKLOAD}/metrics/available", query.available),
        Route(f"{_WORKLOAD}/metrics/data", query.data),
        Route(f"{_WORKLOAD}/metrics/iteration-times", query.iteration_times),
        Route(f"{_BASE}/runs", runs.all),
        Route(_RUN, runs.one),
        Route(f"{_RUN}/metrics", runs.metrics),
        Route(f"{_RUN}/logs", runs.logs),
        Route(f"{_RUN}/marks", runs.marks),
        Route(f"{_BASE}/series", Curves(settings, store).series),
        Route(f"{_BASE}/stream", live.stream),
    ]
    routes = [*posts, *gets]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Watch, meters=meters, routes=routes, log=log)],
        exception_handlers={
            Refusal: refused,
            ClientDisconnect: gone,
            HTTPException: no_route,
            Exception: failed,
        },
    )
    app.state.stop_streams = live.stop
    return app
