"""A Service as a cluster has it: a new connection goes to a ready pod, and stays there till its end."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .nodes import Namespace


class Service:
    """A port on a namespace's address; `endpoints` are the addresses that new connections may go to.

    Attributes:
        refused: the addresses that refused a connection, and "" for one that there was no endpoint for.
    """

    def __init__(self, namespace: Namespace, port: int, endpoints: list[str]) -> None:
        self.endpoints = endpoints
        self.refused: list[str] = []
        self.url = f"http://{namespace.address}:{port}"
        self._namespace, self._port = namespace, port
        self._turn = itertools.count()
        self._connections: list[socket.socket] = []
        with namespace.inside():
            self._listener = socket.create_server((namespace.address, port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        endpoints = list(self.endpoints)
        address = endpoints[next(self._turn) % len(endpoints)] if endpoints else ""
        try:
            with self._namespace.inside():
                server = socket.create_connection((address, self._port), timeout=30)
        except OSError:
            self.refused.append(address)
            client.close()
            return
        server.settimeout(None)
        self._connections += [client, server]
        threading.Thread(target=_pump, args=(server, client), daemon=True).start()
        _pump(client, server)

    def close(self) -> None:
        """End it and its connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Pass on all that is said, and that the last word was said."""
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def service(namespace: Namespace, port: int, endpoints: list[str]) -> Iterator[Service]:
    """Run a Service as long as it lasts."""
    made = Service(namespace, port, endpoints)
    try:
        yield made
    finally:
        made.close()
