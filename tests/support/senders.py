"""Who sends bodies to a processor: in pieces, slowly, or not at all."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from typing import Any, Protocol
from urllib.parse import urlsplit

from . import bodies
from .cluster.nodes import Namespace


class Addressed(Protocol):
    """What has an address that begins with http://."""

    url: str


def encoded(step: int, **head: Any) -> bytes:
    """Return a body of one point."""
    return json.dumps(bodies.metrics(bodies.point(step=step), **head)).encode()


def connect(server: Addressed) -> http.client.HTTPConnection:
    """Return a connection that is there."""
    address = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.connect()
    return connection


def plug(server: Addressed, said: bytes = b"") -> socket.socket:
    """Return a bare connection, on which something was said."""
    address = urlsplit(server.url)
    plugged = socket.create_connection((str(address.hostname), address.port or 0), timeout=30)
    plugged.sendall(said)
    return plugged


def begin(server: Addressed, body: bytes, *, whole: bool) -> http.client.HTTPConnection:
    """Send a body, or all of it but the last byte."""
    connection = connect(server)
    connection.putrequest("POST", "/api/v1/wandb/metrics")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body if whole else body[:-1])
    return connection


def post(server: Addressed, body: bytes) -> int:
    """Send a body on a connection of its own and return the status."""
    connection = begin(server, body, whole=True)
    try:
        return connection.getresponse().status
    finally:
        connection.close()


class Steady(threading.Thread):
    """Sends bodies of ten points, each on a connection of its own; nothing is sent twice.

    Attributes:
        statuses: what it was answered.
    """

    def __init__(self, number: int, to: Addressed, node: Namespace) -> None:
        super().__init__(daemon=True)
        self.number, self.statuses = number, list[int]()
        self.enough = threading.Event()
        self._to, self._node = to, node

    def run(self) -> None:
        with self._node.inside():
            while not self.enough.is_set():
                first = 10 * len(self.statuses)
                points = [bodies.point("sent", 0.5, step) for step in range(first, first + 10)]
                body = json.dumps(bodies.metrics(*points, run_id=f"r{self.number}")).encode()
                try:
                    self.statuses.append(post(self._to, body))
                except (OSError, http.client.HTTPException):
                    self.statuses.append(0)
