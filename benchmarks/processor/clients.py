"""Sixteen clients in a process of their own, each of which posts bodies of 1000 points without a pause.

    python -m benchmarks.processor.clients HOST:PORT SECONDS FIRST_DELIVERY

It prints, as JSON, the points that were answered with 200, the seconds it took, and each answer's time.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

import msgspec

from .work import POINTS, STEPS, body

CLIENTS = 16


class Client(threading.Thread):
    """A run that logs as fast as it is answered.

    Attributes:
        milliseconds: from the first byte sent to the last one received, of each answer.
        failed: what was answered instead of 200.
    """

    def __init__(self, address: str, number: int, first_delivery: int, ends: float) -> None:
        super().__init__()
        self.milliseconds: list[float] = []
        self.failed: list[int] = []
        self._address, self._workload = address, f"load-{number}"
        self._first, self._ends = first_delivery, ends

    def run(self) -> None:
        """Post until the end."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        delivery = self._first
        while time.monotonic() < self._ends:
            content = msgspec.json.encode(body(self._workload, delivery * STEPS))
            started = time.perf_counter()
            connection.request("POST", "/api/v1/wandb/metrics", content, _HEADERS)
            answer = connection.getresponse()
            answer.read()
            self.milliseconds.append(1000 * (time.perf_counter() - started))
            if answer.status != 200:
                self.failed.append(answer.status)
            delivery += 1


_HEADERS = {"Content-Type": "application/json"}


def main(address: str, seconds: str, first_delivery: str) -> None:
    """Post for so many seconds."""
    started = time.monotonic()
    ends = started + float(seconds)
    clients = [Client(address, number, int(first_delivery), ends) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    answers = [time for client in clients for time in client.milliseconds]
    failed = [status for client in clients for status in client.failed]
    result = {
        "points": POINTS * (len(answers) - len(failed)),
        "seconds": time.monotonic() - started,
        "milliseconds": answers,
        "failed": failed,
        "deliveries": max(len(client.milliseconds) for client in clients),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
