"""A telemetry-processor that only counts, in a process of its own.

It prints its port, then, for each line on standard input, the points taken since the last one.

    python -m benchmarks.counter healthy    answers 200 to every body
    python -m benchmarks.counter refused    nobody listens on the port
    python -m benchmarks.counter hanging    takes connections and never answers
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_ANSWER = b'{"meta":{},"data":{}}'


class _Counter:
    """Points received; a thread a connection adds to it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    def add(self, count: int) -> None:
        with self._lock:
            self._count += count

    def take(self) -> int:
        with self._lock:
            count, self._count = self._count, 0
            return count


_points = _Counter()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # The answer leaves in one packet, at once: not headers first and the rest 40 ms later.
    wbufsize = 65536
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        _points.add(len(body.get("metrics", ())))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(_ANSWER)))
        self.end_headers()
        self.wfile.write(_ANSWER)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main(behaviour: str) -> None:
    """Serve until standard input ends."""
    if behaviour == "healthy":
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
    else:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        if behaviour == "hanging":
            sock.listen(128)
        port = sock.getsockname()[1]
    print(port, flush=True)
    for _ in sys.stdin:
        print(_points.take(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
