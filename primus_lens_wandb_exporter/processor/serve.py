"""The server: from settings to a socket, a database and back; stops without losing what it took."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from .app import make_app
from .settings import Settings
from .store import StoreError
from .store.sqlite import SqliteStore
from .store.writer import Writer

_BACKLOG = 1024


def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, answer what is on its way, and return the exit status."""
    try:
        listener = listen(settings.host, settings.port)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        return _fail(f"cannot listen on {settings.host} port {settings.port}: {reason}")
    try:
        store = open_store(settings.db)
    except StoreError as error:
        listener.close()
        return _fail(str(error))
    writer = Writer(store, settings.queue)
    try:
        server = make_server(settings, make_app(settings, writer, store, log=_print_line))
        _stop_by_signal(server)
        _greet(settings, listener)
        server.run(sockets=[listener])
        if not writer.close(settings.shutdown_timeout):
            return _fail(f"not everything was stored within {settings.shutdown_timeout:g} seconds")
        store.close()
    finally:
        listener.close()
    return 0


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


def open_store(path: str) -> SqliteStore:
    """Open the SQLite file, or make it, with its folder if that is our own.

    Raises:
        StoreError: it cannot be used.
    """
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.basename(folder) == "primus-lens-wandb":
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise StoreError(
                f"cannot make the folder {folder}: {reason}; choose a file with --db"
            ) from None
    return SqliteStore(path)


def make_server(settings: Settings, app: Starlette) -> uvicorn.Server:
    """Return a server that logs nothing of itself and, when it stops, waits for what is on its way."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, round(settings.shutdown_timeout)),
    )
    return Server(config, app.state.stop_streams)


class Server(uvicorn.Server):
    """A server that, when it stops, first ends the streams: it would wait for them."""

    def __init__(self, config: uvicorn.Config, stop_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop_streams = stop_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is on its way, and end."""
        self._stop_streams()
        await super().shutdown(sockets)


def _stop_by_signal(server: uvicorn.Server) -> None:
    """Let SIGTERM and SIGINT stop the server.

    To be set before uvicorn's own, which hands the signal on to these when all is answered: the default
    would end the process there, before the writer.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _greet(settings: Settings, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    _print_line(f"primus-lens-wandb: serving http://{shown}:{port}, database {settings.db}")
    open_doors = [
        name
        for name, token in (("write", settings.ingest_token), ("read", settings.read_token))
        if not token
    ]
    if not open_doors:
        return
    who = "everyone on this machine" if _is_loopback(host) else "EVERYONE WHO REACHES THIS ADDRESS"
    _print_line(
        f"primus-lens-wandb: {who} may {' and '.join(open_doors)}: set "
        + " and ".join(
            f"PRIMUS_LENS_PROCESSOR_{'INGEST' if door == 'write' else 'READ'}_TOKEN"
            for door in open_doors
        )
        + (", and --host, to serve other machines" if _is_loopback(host) else "")
    )


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def _print_line(line: str) -> None:
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # nobody reads any more, which is no reason to stop
        pass


def _fail(message: str) -> int:
    _print_line(f"primus-lens-wandb: {message}")
    return 1
