"""POST envelopes to the telemetry-processor, with `requests`, which wandb brings into every image.

It is imported at the first request, on the worker thread.
"""

from __future__ import annotations

import gzip
import os
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING

from .. import __version__, guard
from ..settings import Settings
from .envelope import Envelope, Outcome, Verdict
from .proxies import proxies_for

if TYPE_CHECKING:
    import requests

_TRANSIENT_400 = "no valid workload found"  # the processor has not seen the pod yet
_RETRIED = frozenset({401, 403, 408, 425, 429})  # 401 and 403: a token that is being rotated
_LONGEST_DETAIL = 200  # characters of an answer that are kept


class HttpSink:
    """Sends over one kept-alive connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: tuple[requests.Session, requests.PreparedRequest] | None = None
        self._token = settings.token
        self._token_file_state: tuple[float, int] | None = None

    def send(self, envelope: Envelope, timeout: float) -> Outcome:
        """POST one envelope and judge the answer; never raises."""
        try:
            body = envelope.body()
        except (TypeError, ValueError) as error:
            return Outcome(Verdict.SPLIT, "not_serializable", str(error))
        import requests

        token = self._current_token()
        if not (token.isascii() and token.isprintable()):  # it may be in the middle of being written
            return Outcome(Verdict.RETRY, "bad_token", "the token is not one line of ASCII")
        try:
            response = self._post(envelope, body, token, timeout)
        except requests.Timeout as error:
            return Outcome(Verdict.RETRY, "timeout", _name(error))
        except (
            requests.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
            requests.exceptions.ContentDecodingError,
        ) as error:
            return Outcome(Verdict.RETRY, "unreachable", _name(error), unreachable=True)
        except ValueError as error:  # it will be none the next time; its text may hold a password
            detail = f"{type(error).__name__}: the URL or a header is not valid"
            return Outcome(Verdict.DROP, "bad_endpoint", detail)
        except OSError as error:  # a certificate or key that cannot be read
            return Outcome(Verdict.RETRY, "unreachable", _name(error), unreachable=True)
        guard.debug(
            guard.REPORTER_PREFIX,
            f"{envelope.path}: {envelope.weight} sent, {len(body)} bytes, status {response.status_code}",
        )
        return _judge(response)

    def _post(self, envelope: Envelope, body: bytes, token: str, timeout: float) -> requests.Response:
        settings = self._settings
        session, template = self._connection or self._open_connection()
        request = template.copy()
        request.url = settings.api_base_url + envelope.path
        request.headers["Idempotency-Key"] = envelope.key
        if token:
            request.headers["Authorization"] = f"Bearer {token}"
        if settings.gzip:
            body = gzip.compress(body, compresslevel=1)
            request.headers["Content-Encoding"] = "gzip"
        request.prepare_body(body, None)
        return session.send(request, timeout=timeout, allow_redirects=False)

    def _open_connection(self) -> tuple[requests.Session, requests.PreparedRequest]:
        import requests

        settings = self._settings
        session = requests.Session()
        # Its idea of the environment would add credentials from .netrc and proxies to every host.
        session.trust_env = False
        session.proxies = proxies_for(settings.api_base_url, settings.proxy)
        session.verify = settings.ca_file or os.environ.get("REQUESTS_CA_BUNDLE") or True
        if settings.client_cert:
            key = settings.client_key
            session.cert = (settings.client_cert, key) if key else settings.client_cert
        session.headers["Content-Type"] = "application/json"
        session.headers["User-Agent"] = f"primus-lens-wandb-exporter/{__version__}"
        session.headers.update(dict(settings.headers))
        # Prepared once: it is a third of the cost of a request.
        template = session.prepare_request(requests.Request("POST", settings.api_base_url))
        self._connection = session, template
        return self._connection

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
            self._connection[0].close()


def _judge(response: requests.Response) -> Outcome:
    status = response.status_code
    if 200 <= status < 300:
        return Outcome(Verdict.SENT)
    text = response.text[:_LONGEST_DETAIL]
    detail, reason = f"{status} {text}".strip(), f"http_{status}"
    if status == 413:
        return Outcome(Verdict.SPLIT, reason, detail)
    if status == 400:
        verdict = Verdict.RETRY if _TRANSIENT_400 in text else Verdict.SPLIT
        return Outcome(verdict, reason, detail)
    if status in _RETRIED or status >= 500:
        return Outcome(Verdict.RETRY, reason, detail, retry_after=_retry_after(response))
    return Outcome(Verdict.DROP, reason, detail)


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds of a `Retry-After` header, which may also hold a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "")
    try:
        if text.isdigit():
            return float(text)
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (TypeError, ValueError, IndexError):
        return None


def _name(error: BaseException) -> str:
    """Name what lies at the bottom of a `requests` exception: `ConnectionRefusedError: …`."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return f"{type(error).__name__}: {error}"[:_LONGEST_DETAIL]
