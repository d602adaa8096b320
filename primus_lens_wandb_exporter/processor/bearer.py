"""A bearer token that a file holds: it may be changed while the server runs."""

from __future__ import annotations

import logging
import os
from pathlib import Path

_log = logging.getLogger(__name__)


class TokenFile:
    """The token in the file at `path`, read again when the file is another or was written to.

    As Kubernetes swaps a link for it, what counts is the file that the path leads to.

    Raises:
        OSError, ValueError: there is no token in it that can be used.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = self._look()
        self._token = _read(path)
        self._ails = False

    def current(self) -> str:
        """Return the token: that which was read last, while the file cannot be used."""
        try:
            found = self._look()
            if found != self._seen:
                self._token, self._seen = _read(self._path), found
            self._ails = False
        except (OSError, ValueError) as error:
            if not self._ails:  # each request asks
                _log.error("%s: %s; the token it held before stays valid", self._path, reason(error))
            self._ails = True
        return self._token

    def _look(self) -> tuple[int, ...]:
        status = os.stat(self._path)
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def check_token(text: str) -> str:
    """Return a token that a header can carry.

    Raises:
        ValueError: it is none.
    """
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("expected printable ASCII without spaces")
    return text


def reason(error: Exception) -> str:
    """Return what is wrong with a file, without its content."""
    if isinstance(error, UnicodeError):
        return "not a text"
    return getattr(error, "strerror", None) or str(error)


def _read(path: str) -> str:
    text = Path(path).read_text(encoding="utf-8").strip()
    if not text:
        raise ValueError("the file is empty, expected a token")
    return check_token(text)
