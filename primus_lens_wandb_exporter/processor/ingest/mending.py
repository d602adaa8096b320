"""Characters that no database takes, put right in the body itself, before anything is read of it."""

from __future__ import annotations

import re

_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_ESCAPE = re.compile(rb"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u....|.)", re.DOTALL)
_UNFIT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F]..)")
_REPLACEMENT = rb"\ufffd"


def mend(body: bytes) -> bytes:
    r"""Return a JSON text in which U+FFFD stands for NUL and for each half of a surrogate pair.

    PostgreSQL has no NUL in texts, and neither engine a half; both only come escaped (RFC 8259, 7). The
    escape is told from `\\u0000`, a backslash and five letters, by reading all escapes in their order.
    """
    return _ESCAPE.sub(_replace, body) if _SUSPECT.search(body) else body


def _replace(escape: re.Match[bytes]) -> bytes:
    return _REPLACEMENT if _UNFIT.fullmatch(escape.group()) else escape.group()
