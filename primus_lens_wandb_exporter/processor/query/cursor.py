"""Where the next page begins, as a text that only the processor reads."""

from __future__ import annotations

import base64
from typing import Annotated, Any

import msgspec
from starlette.requests import Request

from .parameters import refuse

Whole = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


def read_cursor(request: Request, form: Any) -> Any:
    """Return the place that `write_cursor` was given, of the type `form`; None: the first page."""
    text = request.query_params.get("cursor", "")
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=form) if text else None
    except (ValueError, msgspec.DecodeError):
        refuse("cursor: expected what `next` was in the answer before")


def write_cursor(*place: int | str) -> str:
    """Return a text for a place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode()
