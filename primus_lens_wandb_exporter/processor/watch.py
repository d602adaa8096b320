"""Around every request: what is counted of it, and one line of the access log.

A line holds no query, body or header: any of them may carry a secret.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .meters import Meters

_LONGEST_PATH = 1000  # characters of it that are told
_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class Watch:
    """An ASGI middleware; `log` takes one line."""

    def __init__(
        self, app: ASGIApp, meters: Meters, routes: Sequence[Route], log: Callable[[str], Any]
    ) -> None:
        self._app = app
        self._meters = meters
        self._routes = routes
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin = time.monotonic()
        status = 0  # nothing was answered
        size = 0

        async def watched(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            status = 500  # is answered further out
            raise
        finally:
            self._note(scope, status, size, time.monotonic() - begin)

    def _note(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._meters.requests.labels(method, self._label(scope["path"]), status).inc()
        client = scope.get("client")
        line = {
            "time": round(time.time(), 3),
            "method": method,
            "path": scope["path"][:_LONGEST_PATH],
            "status": status,
            "bytes": size,
            "ms": round(seconds * 1000, 2),
            "client": client[0] if client else "",
        }
        self._log(json.dumps(line))

    def _label(self, path: str) -> str:
        """Return a path's route: labels must be few."""
        found = (route.path_format for route in self._routes if route.path_regex.match(path))
        return next(found, "other")
