"""The one form of all answers: `{"meta": {…}, "data": {…}}`, or `{"error": …}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response


def answer(
    data: Mapping[str, Any],
    status: int = 200,
    error: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a response with data, and with an error beside it if only some of it went well."""
    content: dict[str, Any] = {"meta": {"status": status}, "data": data}
    if error:
        content["error"] = error
    return _respond(content, status, headers)


def refuse(status: int, error: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response that says what is wrong."""
    return _respond({"error": error}, status, headers)


def _respond(content: Any, status: int, headers: Mapping[str, str] | None) -> Response:
    return Response(msgspec.json.encode(content) + b"\n", status, headers, "application/json")
