"""The server: from settings to a socket, a database and back; stops without losing what it took."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.applications import Starlette

from .app import make_app
from .connections import Crowd, allow_files
from .log import Log, LogHandler
from .meters import Count
from .settings import Settings
from .silence import SilentPods
from .store import StoreError
from .store.location import open_store, show
from .store.writer import Writer
from .upkeep import Upkeep

_BACKLOG = 1024
# Seconds; more than senders pause, who would else meet a connection that closes: 30 in a large fleet,
# 60 or 75 where a proxy keeps theirs.
_KEEP_ALIVE = 120
_LAST_COMMIT = 1.0  # seconds that a stop allows at least for what was taken
_LAST_LINES = 1.0  # and for the log


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, answer what is on its way, and return the exit status."""
    log = Log(_standard_error())
    handler = LogHandler(log)
    handler.setFormatter(logging.Formatter("primus-lens-wandb: %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        return _serve(settings, log)
    except _Failure as failure:
        log.write(f"primus-lens-wandb: {failure}")
        return 1
    finally:
        logging.getLogger().removeHandler(handler)
        log.close(_LAST_LINES)


def _serve(settings: Settings, log: Log) -> int:
    settings = replace(settings, connections=allow_files(settings.connections))
    try:
        listener = listen(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _Failure(f"cannot listen on {settings.host} port {settings.port}: {reason}") from None
    try:
        store = open_store(settings.db)
    except StoreError as error:
        listener.close()
        raise _Failure(str(error)) from None
    writer = Writer(store, settings.queue)
    try:
        crowd = Crowd(settings.connections, settings.body_timeout)
        silent = SilentPods(store)
        counts = (
            Count("log_lines_dropped", "Lines of the log that were not written.", lambda: log.dropped),
            Count("connections_dismissed", "Too many, or too slow.", lambda: crowd.dismissed),
            Count("silent_pods", "Pods that went quiet.", lambda: silent.count, falls=True),
        )
        local = _is_loopback(listener.getsockname()[0])
        app = make_app(settings, writer, store, log.write, counts, local=local)
        server = make_server(settings, app, crowd)
        _stop_by_signal(server)
        _greet(settings, listener, log)
        upkeep = Upkeep(settings, writer, store, log.write)
        server.run(sockets=[listener])
        upkeep.stop()
        silent.stop()
        store.stop_answering()
        left = server.stopped + settings.shutdown_timeout - time.monotonic()
        if not writer.close(max(left, _LAST_COMMIT)):
            raise _Failure(f"not everything was stored within {settings.shutdown_timeout:g} seconds")
        store.close()
    finally:
        listener.close()
    return 0


class _Failure(Exception):
    """What ends the server; its text is for whoever started it."""


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens: before anything else, so that a port in use is said at once.

    Raises:
        OSError: the address is unknown or taken.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class Server(uvicorn.Server):
    """A server that, when it stops, first ends the streams: it would wait for them.

    Attributes:
        stopped: when it began to stop, in seconds of the monotonic clock.
    """

    def __init__(self, config: uvicorn.Config, stop_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self.stopped = 0.0
        self._stop_streams = stop_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is on its way, and end."""
        self.stopped = time.monotonic()
        self._stop_streams()
        await super().shutdown(sockets)


def make_server(settings: Settings, app: Starlette, crowd: Crowd) -> Server:
    """Return a server that logs nothing of itself and, when it stops, waits for what is on its way."""
    config = uvicorn.Config(
        app,
        http=cast(Any, crowd.connect),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=cast(int, settings.shutdown_timeout),  # takes fractions as well
    )
    return Server(config, app.state.stop_streams)


def _stop_by_signal(server: Server) -> None:
    """Let SIGTERM and SIGINT stop the server.

    To be set before uvicorn's own, which hands the signal on to these when all is answered: the default
    would end the process there, before the writer.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _greet(settings: Settings, listener: socket.socket, log: Log) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.write(f"primus-lens-wandb: serving http://{shown}:{port}, database {show(settings.db)}")
    open_doors = [
        name
        for name, token in (("write", settings.ingest_token), ("read", settings.read_token))
        if not token
    ]
    if not open_doors:
        return
    who = "everyone on this machine" if _is_loopback(host) else "EVERYONE WHO REACHES THIS ADDRESS"
    log.write(
        f"primus-lens-wandb: {who} may {' and '.join(open_doors)}: set "
        + " and ".join(
            f"PRIMUS_LENS_PROCESSOR_{'INGEST' if door == 'write' else 'READ'}_TOKEN"
            for door in open_doors
        )
        + (", and --host, to serve other machines" if _is_loopback(host) else "")
    )


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _standard_error() -> int:
    """Return its descriptor; -1: there is none, and its number may be another file's."""
    try:
        return sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):
        return -1
