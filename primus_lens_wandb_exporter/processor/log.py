"""Lines for standard error that nobody waits for: who stops reading them does not stop the server."""

from __future__ import annotations

import asyncio
import logging
import os
import queue
import threading

CAPACITY = 10_000  # lines, some 2 MB
_AT_ONCE = 1000
_GATHER = 0.02  # seconds between lines that come and are written: to wake for each would cost the server


class Log:
    """Writes lines to a file descriptor from a thread of its own, in the order of their coming.

    Args:
        descriptor: where to, or -1.
        capacity: how many lines may wait; more are dropped.

    Attributes:
        dropped: lines that were not written.
    """

    def __init__(self, descriptor: int, capacity: int = CAPACITY) -> None:
        self.dropped = 0
        self._descriptor = descriptor
        self._capacity = capacity
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="processor-log", daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Hand over a line without its end; never waits."""
        if self._lines.qsize() < self._capacity:
            self._lines.put(line)
        else:
            self.dropped += 1

    def close(self, timeout: float) -> None:
        """Write what waits, for `timeout` seconds at most."""
        self._closing.set()
        self._lines.put(None)
        self._thread.join(timeout)

    def _work(self) -> None:
        while True:
            lines = [self._lines.get()]
            self._closing.wait(_GATHER)
            while len(lines) < _AT_ONCE and not self._lines.empty():
                lines.append(self._lines.get())
            text = [line for line in lines if line is not None]
            self._put(text)
            if len(text) < len(lines):
                return

    def _put(self, lines: list[str]) -> None:
        """Write by the descriptor: a thread that ends within `sys.stderr` keeps its lock."""
        rest = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:  # nobody reads any more
            self.dropped += len(lines)


class LogHandler(logging.Handler):
    """Lets what libraries and our own code log go the same way."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Hand over one record, with its traceback; what a stop broke off is no error."""
        if record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError):
            return
        self._log.write(self.format(record))
