"""One HTTP/1.1 connection, kept alive, on which every exchange ends by a deadline.

The standard library's `http.client`, because this runs beside somebody's training: `requests` holds
the GIL for up to a millisecond before a first byte leaves, takes 6 MiB, and waits for as long as an
answer drips. Nobody's instrumentation of `requests` or `urllib3` sees our traffic either.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - for the first look-up of a host name
import http.client
import io
import select
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from types import SimpleNamespace
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from .courtesy import give_way

_LONGEST_ANSWER = 65536  # bytes that are read; the rest goes with the connection


class Answer(NamedTuple):
    """What came back; of a long body only the beginning."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Connection:
    """Posts to one origin, directly or through a proxy.

    Args:
        base_url: `http://` or `https://`; what `post` is given is appended to its path.
        proxy: `http://` URL of a proxy, or empty.
        make_context: called for `https://`.

    Raises:
        ValueError: a URL is none, or of another kind.
        OSError: from `make_context`.
    """

    def __init__(self, base_url: str, proxy: str, make_context: Callable[[], ssl.SSLContext]) -> None:
        origin = _split(base_url, ("http", "https"))
        self.reached = False  # whether the last post had somebody to talk to
        self._path = origin.path
        self._headers = _credentials(origin, "Authorization")
        self._connection = _make_connection(origin, proxy, make_context)
        if proxy and origin.scheme == "http":  # then the request itself says where it goes
            self._path = f"http://{origin.netloc.rpartition('@')[2]}{origin.path}"
            self._headers |= _credentials(_split(proxy, ("http",)), "Proxy-Authorization")

    def post(self, path: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        """Send a body and return the answer, within `timeout` seconds for each address tried.

        Raises:
            OSError: no connection, or it broke, or the answer is not HTTP; `socket.timeout` when
                the time is up; it says for what.
            ValueError: the URL or a header has a character in it that HTTP has no form for.
        """
        deadline = monotonic() + timeout
        connection = self._connection
        if connection.sock is not None and _is_dropped(connection.sock):
            connection.close()
        connection.timeout = timeout
        # Before it connects: a proxy answers, too.
        connection.response_class = partial(_respond, deadline)  # type: ignore[assignment]
        self.reached = connection.sock is not None
        try:
            if connection.sock is None:
                connection.connect()
                self.reached = True
            connection.sock.settimeout(max(0.001, deadline - monotonic()))
            connection.request("POST", self._path + path, body, {**self._headers, **headers})
            response = connection.getresponse()
            give_way()
            answer = Answer(response.status, response.headers, response.read(_LONGEST_ANSWER))
            if response.length and len(answer.body) < _LONGEST_ANSWER:
                raise http.client.IncompleteRead(answer.body, response.length)
            if not response.isclosed():
                response.close()
                connection.close()
        except http.client.InvalidURL as error:
            raise ValueError(str(error)) from None
        except http.client.HTTPException as error:
            connection.close()
            raise ConnectionAbortedError(f"{type(error).__name__}: {error}") from error
        except socket.timeout:
            connection.close()
            awaited = "answer" if self.reached else "connection"
            raise socket.timeout(f"no {awaited} within {timeout:g} s") from None
        except BaseException:
            connection.close()
            raise
        return answer

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()


def _split(url: str, schemes: tuple[str, ...]) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(f"expected a URL that begins with {' or '.join(schemes)}")
    return parts


def _make_connection(
    origin: SplitResult, proxy: str, make_context: Callable[[], ssl.SSLContext]
) -> http.client.HTTPConnection:
    through = _split(proxy, ("http",)) if proxy else origin
    host = through.hostname or ""
    if origin.scheme == "http":
        return http.client.HTTPConnection(host, through.port)
    port = through.port or (80 if proxy else None)
    connection = http.client.HTTPSConnection(host, port, context=make_context())
    if proxy:
        headers = _credentials(through, "Proxy-Authorization")
        connection.set_tunnel(origin.hostname or "", origin.port, headers)
    return connection


def _credentials(url: SplitResult, header: str) -> dict[str, str]:
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {header: f"Basic {b64encode(pair.encode()).decode()}"}


def _is_dropped(sock: socket.socket) -> bool:
    """Return whether the other side has closed an idle connection, or spoken out of turn."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([sock], [], [], 0)[0])


class _Inflow(io.RawIOBase):
    """What comes in on a socket until a deadline, however slowly it drips."""

    _raw: socket.SocketIO | None = None

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        remaining = self._deadline - monotonic()
        if remaining <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(remaining)
        assert self._raw is not None
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if self._raw is not None:  # a half-made one is closed when it goes, too
            self._raw.close()
        super().close()


def _respond(
    deadline: float, sock: socket.socket, method: str | None = None
) -> http.client.HTTPResponse:
    # Made before the response: one that cannot get its file complains of that when it goes.
    reader = io.BufferedReader(_Inflow(sock, deadline))
    source = SimpleNamespace(makefile=lambda mode: reader)
    return http.client.HTTPResponse(source, method=method)  # type: ignore[arg-type]
