"""Standard error that nobody reads: the server goes on."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

from primus_lens_wandb_exporter.processor.log import Log

from ..support.embedded import Embedded
from ..support.served import SERVE, serve_environ

SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", 1031)  # Python 3.10 names it


def test_lines_are_written_in_order_and_all_of_them_at_the_end() -> None:
    reading, writing = os.pipe()
    log = Log(writing)
    for number in range(100):
        log.write(f"{number} ü \ud800")  # no text that ends the thread
    log.close(30)
    os.close(writing)
    with open(reading, encoding="utf-8") as lines:
        assert lines.read().splitlines() == [f"{number} ü \\ud800" for number in range(100)]
    assert log.dropped == 0


def test_what_finds_no_place_is_dropped_and_counted_and_nobody_waits() -> None:
    reading, writing = os.pipe()
    size = fcntl.fcntl(writing, SET_PIPE_SIZE, 4096)
    log = Log(writing, capacity=10)
    log.write("x" * size)  # with its end, one byte more than goes in
    while not log._lines.empty():
        pass
    for number in range(25):
        log.write(str(number))
    assert log.dropped == 15
    log.close(0)
    with open(reading, encoding="utf-8") as lines:
        assert lines.readline() == "x" * size + "\n"
        assert [lines.readline() for _ in range(10)] == [f"{number}\n" for number in range(10)]
    os.close(writing)


def test_a_reader_that_went_away_is_no_reason_to_stop() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    log = Log(writing)
    log.write("a")
    log.close(30)
    os.close(writing)
    assert log.dropped == 1


def test_a_full_pipe_stops_neither_requests_nor_the_end(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    fcntl.fcntl(writing, SET_PIPE_SIZE, 4096)
    command = [*SERVE, "--port", "0", "--db", str(tmp_path / "db")]
    with open(reading, encoding="utf-8") as stderr:
        process = subprocess.Popen(command, env=serve_environ(), stderr=writing)
        os.close(writing)
        try:
            found = re.search(r"http://(\S+):(\d+),", stderr.readline())
            assert found
            connection = http.client.HTTPConnection(found.group(1), int(found.group(2)), timeout=30)
            for _ in range(300):  # of which 30 fill the pipe
                connection.request("GET", "/health")
                assert connection.getresponse().read()
            for _ in range(3):  # is told to the log, too
                address = (found.group(1), int(found.group(2)))
                with socket.create_connection(address, timeout=30) as spoilt:
                    spoilt.sendall(b"no HTTP\r\n\r\n")
                    assert spoilt.recv(1000).startswith(b"HTTP/1.1 400 ")
            connection.request("GET", "/health")
            assert connection.getresponse().read()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()


def test_dropped_lines_are_told(tmp_path: Path) -> None:
    command = [*SERVE, "--port", "0", "--db", str(tmp_path / "db")]
    process = subprocess.Popen(command, env=serve_environ(), stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = re.search(r"http://(\S+):(\d+),", process.stderr.readline())
        assert found
        process.stderr.close()
        connection = http.client.HTTPConnection(found.group(1), int(found.group(2)), timeout=30)
        dropped = 0
        while not dropped:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
            (line,) = re.findall(r"^primus_lens_processor_log_lines_dropped_total (\S+)$", text, re.M)
            dropped = int(float(line))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_of_a_path_no_more_is_told_than_a_line_should_hold(taker: Embedded) -> None:
    assert taker.client.get("/" + "x" * 9000).status_code == 404
    assert taker.lines[-1]["path"] == "/" + "x" * 999
