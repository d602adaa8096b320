"""Connections as uvicorn has them, but not for ever: neither silent ones nor those that read nothing."""

from __future__ import annotations

import asyncio
import random
import resource
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

# Seconds, about. Senders would keep theirs as long as they run, and a new replica would get none.
LIFETIME = 300.0
_CLOSE = (b"connection", b"close")
_OTHER_FILES = 1024  # besides connections: the database's, and those that are just being accepted
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


class Crowd:
    """All connections of one server.

    Args:
        most: how many there may be at once.
        patience: seconds that headers may take to arrive, and that an answer may stand still.

    Attributes:
        idle: those on which no request is served, the longest idle first.
        dismissed: how many were closed to make room, or because they were too slow.
    """

    def __init__(self, most: int, patience: float) -> None:
        self.most = most
        self.patience = patience
        self.idle: dict[Connection, None] = {}
        self.dismissed = 0

    def connect(self, *args: Any, **options: Any) -> Connection:
        """Return what uvicorn takes for its protocol."""
        return Connection(self, *args, **options)


class Connection(H11Protocol):
    """One connection of a crowd."""

    def __init__(self, crowd: Crowd, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._crowd = crowd
        # Not all in the same moment, where they began so.
        self._last = self.loop.time() + random.uniform(0.8, 1.2) * LIFETIME
        self._speaking: asyncio.TimerHandle | None = None  # until the headers are there
        self._standing: asyncio.TimerHandle | None = None  # until the answer is read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; where there are too many, the one that has been idle for longest goes."""
        super().connection_made(transport)
        self._look()
        if len(self.connections) > self._crowd.most:
            next(iter(self._crowd.idle)).dismiss(_FULL)

    def data_received(self, data: bytes) -> None:
        """Take what was sent; on an old connection this is the last request, which its answer says."""
        super().data_received(data)
        old = not self._is_idle and self.loop.time() >= self._last
        if old and _CLOSE not in self.headers:
            self.headers.append(_CLOSE)  # as if the sender had asked for it
        self._look()

    def on_response_complete(self) -> None:
        """Be idle, or serve what was sent meanwhile."""
        super().on_response_complete()
        self._crowd.idle.pop(self, None)  # to be the last of them
        if self._is_idle:
            self._crowd.idle[self] = None  # uvicorn's own timer runs until something is sent

    def pause_writing(self) -> None:
        """Begin to watch whether the answer is read."""
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Cease to."""
        super().resume_writing()
        self._standing = _end(self._standing)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._crowd.idle.pop(self, None)
        self._speaking = _end(self._speaking)
        self._standing = _end(self._standing)
        super().connection_lost(exc)

    def dismiss(self, last_words: bytes = b"") -> None:
        """Close it; what was never asked is answered with the last words."""
        self._crowd.dismissed += 1
        self._crowd.idle.pop(self, None)
        if self.cycle is None:
            self.transport.write(last_words)
        self.transport.close()

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _look(self) -> None:
        """Give headers their time, from the first byte of them or of the connection on."""
        if not self._is_idle:
            self._crowd.idle.pop(self, None)
            self._speaking = _end(self._speaking)
        elif not self.transport.is_closing():
            self._crowd.idle.setdefault(self)
            if self._speaking is None:
                self._speaking = self.loop.call_later(self._crowd.patience, self.dismiss)

    def _watch(self, size: int) -> None:
        def look_again() -> None:
            left = self.transport.get_write_buffer_size()
            if left < size:
                self._watch(left)
            else:
                self._crowd.dismissed += 1
                self.transport.abort()

        self._standing = self.loop.call_later(self._crowd.patience, look_again)


def _end(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    if timer is not None:
        timer.cancel()
    return None


def allow_files(connections: int) -> int:
    """Raise the process's limit of open files if need be; return how many connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    if hard == resource.RLIM_INFINITY or hard > soft:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return min(connections, max(soft - _OTHER_FILES, soft // 2))
