"""Who may write and who may read: one bearer token for each, if one is set (RFC 6750)."""

from __future__ import annotations

import hmac

from starlette.requests import Request

from .refusal import Refusal
from .settings import Token


def require(request: Request, token: Token) -> None:
    """Let a request pass that shows the token; without a token, every one.

    Raises:
        Refusal: 401.
    """
    if not token:
        return
    expected = token if isinstance(token, str) else token.current()
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    # As bytes: the comparison of texts takes ASCII only, and a header may hold anything.
    same = hmac.compare_digest(shown.strip().encode("latin-1", "replace"), expected.encode())
    if scheme.lower() != "bearer" or not same:
        # A body that comes with it is not read.
        headers = {"WWW-Authenticate": "Bearer", "Connection": "close"}
        raise Refusal(401, "token", "a valid bearer token is required", headers)
