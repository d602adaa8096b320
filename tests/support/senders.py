"""Who sends bodies to a processor: in pieces, slowly, or not at all."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, Protocol
from urllib.parse import urlsplit

from . import bodies


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
