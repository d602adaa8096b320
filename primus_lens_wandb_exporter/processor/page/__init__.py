"""The web page: its files, as they lie in `static/`, and the headers they are served with."""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

STATIC = Path(__file__).with_name("static")
_TYPES = {".js": "text/javascript", ".svg": "image/svg+xml"}  # which a machine's own table may not know
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # kept, but asked for each time: an update is seen at once
}


class _File:
    """One file, held in memory."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        self.content = content
        self.media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "text/plain"
        self.headers = {**_HEADERS, "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}

    def answer(self, request: Request) -> Response:
        """Answer with the file, or with 304 if the browser has it."""
        known = {
            tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")
        }
        if self.headers["ETag"] in known:
            return Response(None, 304, self.headers)
        return Response(self.content, 200, self.headers, self.media_type)


def make_routes() -> list[Route]:
    """Return the routes of the page: `/` and one for all of its files."""
    files = {
        path.relative_to(STATIC).as_posix(): _File(path) for path in STATIC.rglob("*") if path.is_file()
    }

    async def page(request: Request) -> Response:
        return files["index.html"].answer(request)

    async def static(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        return file.answer(request)

    return [Route("/", page), Route("/static/{name:path}", static)]
