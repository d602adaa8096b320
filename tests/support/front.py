"""A port in front of a server, where connections can be maltreated."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Callable

Treatment = Callable[[socket.socket], None]


class Front:
    """A port on loopback that refuses connections until told otherwise; call `close` at the end."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._treatment: Treatment | None = None
        self.connections = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/api/v1"

    def swallow(self) -> None:
        """Be a black hole: the queue of connections is full, so the kernel drops their packets."""
        self._listener.listen(0)
        for _ in range(4):
            filler = self._keep(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(self._listener.getsockname())

    def treat(self, treatment: Treatment) -> None:
        """Accept connections, also those that wait, and do that with each."""
        first, self._treatment = self._treatment is None, treatment
        if first:
            self._listener.listen(128)
            self._start(self._accept)

    def heal(self) -> None:
        """Pass new connections on to the server."""
        self.treat(self._relay)

    def close(self) -> None:
        """End all connections and threads."""
        for end in (self._listener, *self._sockets):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, self._keep(connection))

    def _serve(self, connection: socket.socket) -> None:
        assert self._treatment is not None
        try:
            self._treatment(connection)
        except OSError:
            pass

    def _relay(self, connection: socket.socket) -> None:
        server = self._keep(socket.create_connection(("127.0.0.1", self._server_port)))
        other = {connection: server, server: connection}
        while True:
            for end in select.select(list(other), [], [])[0]:
                data = end.recv(65536)
                if not data:
                    connection.close()
                    server.close()
                    return
                other[end].sendall(data)

    def _keep(self, end: socket.socket) -> socket.socket:
        self._sockets.append(end)
        return end

    def _start(self, target: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments, daemon=True))
        self._threads[-1].start()


def read_request(connection: socket.socket) -> bytes:
    """Return the next request, head and body, or what there is of it."""
    request = b""
    while True:
        data = connection.recv(65536)
        request += data
        head, end, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if not data or (end and length and len(body) >= int(length[1])):
            return request


def stay_silent(connection: socket.socket) -> None:
    """Take what is sent and never say a word."""
    while connection.recv(65536):
        pass


def hang_up(connection: socket.socket) -> None:
    """Take a request and break the connection."""
    read_request(connection)
    connection.close()


def say(answer: bytes) -> Treatment:
    """Return a treatment: to take a request, to say that and to hang up."""

    def answer_all(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)
        connection.close()

    return answer_all
