"""Who may do without tokens on this machine: its users, but not every page that their browsers show."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from .answer import refuse

_ERROR = (
    "without tokens this machine alone is served, by the names localhost or 127.0.0.1: set "
    "PRIMUS_LENS_PROCESSOR_INGEST_TOKEN and PRIMUS_LENS_PROCESSOR_READ_TOKEN for other names"
)
_NEAR = re.compile(r"\[.*|[0-9.]+|[^.]*|.*\.(localhost|internal|local)")  # which no public DNS answers


class NearNames:
    """An ASGI middleware that refuses names of elsewhere, which a stranger can let lead here.

    A page from `http://evil.example:8080` that has the browser look up that name anew and find 127.0.0.1
    could else read and write as if it were ours (DNS rebinding).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not is_near(Headers(scope=scope).get("host", "")):
            await refuse(403, _ERROR, {"Connection": "close"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def is_near(host: str) -> bool:
    """Return whether only this machine or its network can have given a `Host` its meaning."""
    name = host.strip().lower()
    if not name.startswith("["):
        name = name.partition(":")[0].rstrip(".")
    return _NEAR.fullmatch(name) is not None
