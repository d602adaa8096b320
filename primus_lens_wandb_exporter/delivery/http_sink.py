"""POST envelopes to the telemetry-processor, and judge its answers."""

from __future__ import annotations

import gzip
import os
import socket
import ssl
from email.utils import parsedate_to_datetime
from functools import partial
from time import time

from .. import __version__, guard
from ..settings import Settings
from .connection import Answer, Connection
from .courtesy import give_way
from .envelope import Envelope, Outcome, Verdict
from .proxies import proxy_for
from .tls import make_context

_TRANSIENT_400 = "no valid workload found"  # the processor has not seen the pod yet
_RETRIED = frozenset({401, 403, 408, 425, 429})  # 401 and 403: a token that is being rotated
# A client's certificate is refused by an alert, or by hanging up.
_PERHAPS_A_CERTIFICATE = (ssl.SSLError, ConnectionResetError)
_LONGEST_DETAIL = 200  # characters of an answer that are kept


class HttpSink:
    """Sends over one kept-alive connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._proxy = proxy_for(settings.api_base_url, settings.proxy)
        self._connection: Connection | None = None
        self._headers = {
            "Content-Type": "application/json",
            "User-Agent": f"primus-lens-wandb-exporter/{__version__}",
            **{name.title(): value for name, value in settings.headers},
        }
        if settings.gzip:
            self._headers["Content-Encoding"] = "gzip"
        self._token = settings.token
        self._token_file_state: tuple[float, int] | None = None

    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        """POST one envelope and judge the answer; never raises."""
        try:
            body = envelope.body()
        except (TypeError, ValueError) as error:
            return Outcome(Verdict.DROP, "not_serializable", str(error))
        give_way()
        token = self._current_token()
        if not (token.isascii() and token.isprintable()):  # it may be in the middle of being written
            return Outcome(Verdict.RETRY, "bad_token", "the token is not one line of ASCII")
        try:
            answer = self._post(envelope, body, token, timeout)
        except socket.timeout as error:
            return Outcome(Verdict.RETRY, "timeout", _name(error))
        except OSError as error:  # also a certificate or key that cannot be read
            reached = self._connection is not None and self._connection.reached
            if isinstance(error, _PERHAPS_A_CERTIFICATE):  # it may be renewed: read the files again
                self.close()
                self._connection = None
            if reached:
                return Outcome(Verdict.RETRY, "broken", _name(error))
            return Outcome(Verdict.RETRY, "unreachable", _name(error), unreachable=True)
        except ValueError as error:  # it will be none the next time; its text may hold a password
            detail = f"{type(error).__name__}: the URL, the proxy or a header is not valid"
            return Outcome(Verdict.DROP, "bad_endpoint", detail)
        guard.debug(
            guard.REPORTER_PREFIX,
            f"{envelope.path}: {envelope.weight} sent, {len(body)} bytes, status {answer.status}",
        )
        return _judge(answer)

    def _post(self, envelope: Envelope, body: bytes, token: str, timeout: float) -> Answer:
        settings = self._settings
        if self._connection is None:
            self._connection = Connection(
                settings.api_base_url, self._proxy, partial(make_context, settings)
            )
        headers = {**self._headers, "Idempotency-Key": envelope.key}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if settings.gzip:
            body = gzip.compress(body, compresslevel=1)
        return self._connection.post(envelope.path, body, headers, timeout)

    def _current_token(self) -> str:
        path = self._settings.token_file
        if path:
            try:
                state = os.stat(path)
                seen = (state.st_mtime, state.st_ino)
                if seen != self._token_file_state:
                    with open(path, encoding="utf-8") as file:
                        self._token = file.read().strip()
                    self._token_file_state = seen
            except (OSError, ValueError) as error:
                guard.debug(guard.REPORTER_PREFIX, f"token file: {error}")
        return self._token

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


def _judge(answer: Answer) -> Outcome:
    status = answer.status
    text = answer.body.decode(errors="replace").strip()
    detail, reason = _one_line(f"{status} {text}"), f"http_{status}"
    if 200 <= status < 300:
        if text.startswith("{"):  # what the contract promises
            return Outcome(Verdict.SENT)
        detail = f"the answer is no JSON object, so it is no telemetry-processor's: {detail}"
        return Outcome(Verdict.RETRY, "garbage", detail)
    if status == 413:
        return Outcome(Verdict.SPLIT, reason, detail)
    if status == 400:
        verdict = Verdict.RETRY if _TRANSIENT_400 in text else Verdict.SPLIT
        return Outcome(verdict, reason, detail)
    if status in _RETRIED or status >= 500:
        retry_after = _seconds(answer.headers.get("Retry-After", ""))
        return Outcome(Verdict.RETRY, reason, detail, retry_after=retry_after)
    return Outcome(Verdict.DROP, reason, detail)


def _seconds(text: str) -> float | None:
    """Return the seconds of a `Retry-After` header, which may also hold a date (RFC 9110, 10.2.3)."""
    try:
        if text.isdigit():
            return float(text)
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (TypeError, ValueError, IndexError):
        return None


def _name(error: BaseException) -> str:
    return _one_line(f"{type(error).__name__}: {error}")


def _one_line(text: str) -> str:
    """Return the beginning of a text that another side may have chosen, fit for a line of a log."""
    text = " ".join(text[: 2 * _LONGEST_DETAIL].split())[:_LONGEST_DETAIL]
    return "".join(char if char.isprintable() else "?" for char in text)
