"""The web application: which path is answered by what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from .answer import answer, refuse
from .ingest.receive import Ingest
from .meters import Count, Meters
from .nearness import NearNames
from .openapi import describe
from .page import make_routes
from .query.contract import Query
from .query.live import Live
from .query.runs import Runs
from .query.series import Curves
from .refusal import Refusal, refuse_for_now
from .routes import list_endpoints
from .settings import Settings
from .store import Store, StoreError
from .store.writer import Writer
from .watch import Watch

# Of a question: a slow one is no sign that nothing is stored, of which `store` tells.
_BROKEN = refuse_for_now(503, "question", "the database cannot be used at present", 30)
_log = logging.getLogger(__name__)


class _Check:
    """Looks after the store, once for all who ask meanwhile: nobody needs a token for that."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running: asyncio.Task[None] | None = None
        self._said = ""  # what was wrong at the last look

    async def pass_or_fail(self) -> None:
        """Raise what `Store.check` raises."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._look())
        await asyncio.shield(self._running)

    async def _look(self) -> None:
        wrong = ""
        try:
            # Beside the threads of queries, which may all be busy.
            await to_thread.run_sync(self._store.check, limiter=CapacityLimiter(1))
        except Exception as error:
            wrong = f"not ready: {error}"
            raise
        finally:
            if wrong != self._said:  # which is asked every few seconds
                self._said = wrong
                _log.error("%s", wrong or "ready again")


def make_app(
    settings: Settings,
    writer: Writer,
    store: Store,
    log: Callable[[str], Any] = lambda line: None,
    counts: Iterable[Count] = (),
    *,
    local: bool = False,
) -> Starlette:
    """Return the application; `log` takes one line of JSON a request. It closes nothing it is given.

    A `local` one is reached from this machine alone; without tokens it then refuses names of elsewhere.

    `/metrics` shows the counts as well. Its `state.stop_streams()`, called in the event loop, ends what
    would go on for ever.
    """
    meters = Meters(lambda: writer.waiting, counts)
    live = Live(settings, store)

    async def health(request: Request) -> Response:
        return answer({"status": "ok"})

    check = _Check(store)

    async def ready(request: Request) -> Response:
        if writer.trouble:
            raise Refusal(503, "not_ready", "the database takes nothing")
        try:
            await check.pass_or_fail()
        except Exception:
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

    def broken(request: Request, error: Exception) -> Response:
        _log.error("%s", error)
        return refused(request, _BROKEN)

    def failed(request: Request, error: Exception) -> Response:
        return refuse(500, "internal error")

    def openapi(request: Request) -> Response:
        return Response(msgspec.json.encode(describe(endpoints)), media_type="application/json")

    endpoints = list_endpoints(
        Ingest(settings, writer, meters),
        Query(settings, store),
        Runs(settings, store),
        Curves(settings, store),
        live,
        (health, ready, metrics),
    )
    asked = [Route("/openapi.json", openapi), *(endpoint.route() for endpoint in endpoints)]
    routes = [*asked, *make_routes()]
    middleware = [Middleware(Watch, meters=meters, routes=routes, log=log)]
    if local and not (settings.ingest_token and settings.read_token):
        middleware.append(Middleware(NearNames))
    app = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={
            Refusal: refused,
            ClientDisconnect: gone,
            HTTPException: no_route,
            StoreError: broken,
            Exception: failed,
        },
    )
    app.state.stop_streams = live.stop
    return app
