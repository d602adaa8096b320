"""An endpoint that is sick: what is retried, what is lost and why, and who says what about it.

The faults are the rows of the README's table, and the table's words are what is looked for.
"""

from __future__ import annotations

import itertools
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from primus_lens_wandb_exporter import doctor, guard
from primus_lens_wandb_exporter.delivery import route
from primus_lens_wandb_exporter.exporter import Exporter
from primus_lens_wandb_exporter.payloads import LogCall
from primus_lens_wandb_exporter.settings import load

from .support.delivery import wait_until
from .support.front import Front, hang_up, read_request, say, stay_silent
from .support.law import check_law
from .support.processor import Processor
from .support.runs import StandInRun
from .support.scripts import REPOSITORY, ScriptRunner

PATIENCE = "3600"  # seconds: a test that waits for it has failed
POISON = "poison"  # the name of a metric that a picky processor refuses
RUN = StandInRun()
UNKNOWN = "processor.invalid"  # a host name, see RFC 2606


class Endpoint:
    """A processor, and a port in front of it. A fault says how to reach it and how to heal it."""

    def __init__(
        self, processor: Processor, front: Front, tls: HTTPServer, authority: trustme.CA, folder: Path
    ) -> None:
        self.processor = processor
        self.front = front
        self.tls = tls
        self.authority = authority
        self.folder = folder
        self.environ: dict[str, str] = {
            "WORKLOAD_UID": "workload-1",
            "PRIMUS_LENS_API_BASE_URL": processor.url,
            "PRIMUS_LENS_WANDB_PROXY": "never",
            "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "0.05",
        }
        self.heal: Callable[[], None] = self._answer_as_usual

    def _answer_as_usual(self) -> None:
        self.processor.answer = lambda request: None

    def begin(self, fault: str) -> None:
        """Fall ill."""
        FAULTS[fault].begin(self)

    def answer(self, answer: Callable[[Request], Response | None]) -> None:
        """Let the processor answer so."""
        self.processor.answer = answer

    def use_front(self, **environ: str) -> None:
        """Be reached by the front, which passes everything on when it heals."""
        self.environ["PRIMUS_LENS_API_BASE_URL"] = self.front.url
        self.environ.update(environ)
        self.heal = self.front.heal

    def make_exporter(self, **environ: str) -> Exporter:
        """Return an exporter for this endpoint."""
        prefix = "PRIMUS_LENS_WANDB_"
        return Exporter(load({**self.environ, **{prefix + name: environ[name] for name in environ}}))


def refused(endpoint: Endpoint) -> None:
    endpoint.use_front()


def black_hole(endpoint: Endpoint) -> None:
    endpoint.use_front(PRIMUS_LENS_WANDB_REQUEST_TIMEOUT="0.2")
    endpoint.front.swallow()


def silent(endpoint: Endpoint) -> None:
    endpoint.use_front(PRIMUS_LENS_WANDB_REQUEST_TIMEOUT="0.2")
    endpoint.front.treat(stay_silent)


def hanging_up(endpoint: Endpoint) -> None:
    endpoint.use_front()
    endpoint.front.treat(hang_up)


def no_http(endpoint: Endpoint) -> None:
    endpoint.use_front()
    endpoint.front.treat(say(b"SSH-2.0-OpenSSH_9.2\r\n"))


def name_server(error: int, hang: float) -> Callable[[Endpoint], None]:
    """Return a fault: to look up the processor's name takes so long, and ends with that error."""

    def begin(endpoint: Endpoint) -> None:
        url, genuine = endpoint.processor.url, socket.getaddrinfo
        endpoint.environ["PRIMUS_LENS_API_BASE_URL"] = url.replace("127.0.0.1", UNKNOWN)
        healed = threading.Event()

        def look_up(host: str, *arguments: Any, **options: Any) -> Any:
            if host == UNKNOWN and not healed.wait(hang):
                raise socket.gaierror(error, "as the resolver says")
            return genuine("127.0.0.1" if host == UNKNOWN else host, *arguments, **options)

        socket.getaddrinfo = look_up  # put back by a fixture
        endpoint.heal = healed.set

    return begin


def bad_certificate(endpoint: Endpoint) -> None:
    path = endpoint.folder / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    endpoint.processor = Processor(endpoint.tls)
    endpoint.environ.update(
        PRIMUS_LENS_API_BASE_URL=endpoint.processor.url, PRIMUS_LENS_WANDB_CA_FILE=str(path)
    )
    endpoint.heal = lambda: endpoint.authority.cert_pem.write_to_path(str(path))


def slow(endpoint: Endpoint) -> None:
    endpoint.answer(lambda request: time.sleep(0.5))


def flaky(endpoint: Endpoint) -> None:
    count = itertools.count()
    endpoint.answer(lambda request: Response("", 503) if next(count) % 3 < 2 else None)


def answering(status: int, text: str = "", **headers: str) -> Callable[[Endpoint], None]:
    """Return a fault: every request is answered so."""
    return lambda endpoint: endpoint.answer(
        lambda request: Response(text, status, {key.replace("_", "-"): headers[key] for key in headers})
    )


def picky(endpoint: Endpoint) -> None:
    def answer(request: Request) -> Response | None:
        return Response("invalid request format", 400) if POISON in names(request) else None

    endpoint.answer(answer)


def narrow(endpoint: Endpoint) -> None:
    def answer(request: Request) -> Response | None:
        found = names(request)
        return Response("too large", 413) if len(found) > 1 or POISON in found else None

    endpoint.answer(answer)


def names(request: Request) -> list[str]:
    return [point["name"] for point in request.get_json()["metrics"]]


def wanting_another_token(status: int) -> Callable[[Endpoint], None]:
    """Return a fault: the token was rotated, and the file is not yet."""

    def begin(endpoint: Endpoint) -> None:
        path = endpoint.folder / "token"
        path.write_text("old")
        endpoint.environ["PRIMUS_LENS_WANDB_TOKEN_FILE"] = str(path)
        endpoint.heal = lambda: path.replace(path.with_name("before")) and path.write_text("newer")
        endpoint.answer(
            lambda request: (
                None if request.headers.get("Authorization") == "Bearer newer" else Response("", status)
            )
        )

    return begin


class Fault(NamedTuple):
    """How it begins, and what of five points is lost if it lasts: 5, 0, or only the poison."""

    begin: Callable[[Endpoint], None]
    lost: int = 5
    retried: bool = True


FAULTS = {
    "refused": Fault(refused),
    "black hole": Fault(black_hole),
    "silent": Fault(silent),
    "hangs up": Fault(hanging_up),
    "no HTTP": Fault(no_http),
    "unknown host": Fault(name_server(socket.EAI_NONAME, 0.0)),
    "hanging DNS": Fault(name_server(socket.EAI_AGAIN, 0.1)),
    "bad certificate": Fault(bad_certificate),
    "slow": Fault(slow, lost=0),
    "flaky": Fault(flaky, lost=0),
    "garbage": Fault(answering(200, "<html>Please log in")),
    **{str(status): Fault(answering(status)) for status in (408, 425, 500, 502, 503, 504)},
    "429": Fault(answering(429, Retry_After="1")),
    "401": Fault(wanting_another_token(401)),
    "403": Fault(wanting_another_token(403)),
    "no valid workload found": Fault(answering(400, '{"error":"no valid workload found"}')),
    "400": Fault(picky, lost=1),
    "413": Fault(narrow, lost=1),
    "404": Fault(answering(404, "page not found"), retried=False),
    "307": Fault(answering(307, Location="https://processor/"), retried=False),
}
LOSING_ALL = [name for name, fault in FAULTS.items() if fault.lost == 5]
HEALING = [name for name in LOSING_ALL if FAULTS[name].retried]


class Row(NamedTuple):
    """What the README says of a fault: the words in backticks."""

    faults: list[str]
    lost_as: list[str]
    last_error: list[str]
    doctor: list[str]


def rows() -> list[Row]:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"<!-- faults -->\n(.*?)\n<!-- /faults -->", readme, re.DOTALL)
    cells = [line.split("|")[1:-1] for line in table.splitlines()[2:]]
    quoted = [[re.findall(r"`([^`]+)`", cell) for cell in line] for line in cells]
    return [Row(faults, *said) for faults, _, *said in quoted]


ROWS = {fault: row for row in rows() for fault in row.faults}


def test_the_readme_has_a_row_for_each_fault() -> None:
    assert sorted(fault for row in rows() for fault in row.faults) == sorted(FAULTS)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority: trustme.CA) -> Iterator[HTTPServer]:
    """A server with a certificate of that authority, for one processor."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with HTTPServer(host="127.0.0.1", ssl_context=context, threaded=True) as server:
        yield server


@pytest.fixture
def endpoint(
    processor: Processor,
    server: HTTPServer,
    tls: HTTPServer,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Endpoint]:
    """An endpoint that is well, until it falls ill."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(guard, "_last_warning", None)
    monkeypatch.setattr(socket, "getaddrinfo", socket.getaddrinfo)
    tls.clear()
    front = Front(server.port)
    endpoint = Endpoint(processor, front, tls, authority, tmp_path)
    yield endpoint
    front.close()
    assert not endpoint.processor.violations


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back off for hundredths of a second."""
    monkeypatch.setattr(route, "SPACING", 0.02)
    monkeypatch.setattr(route, "_LONGEST_BACKOFF", 0.01)


def log(exporter: Exporter, steps: range) -> list[tuple[int, float]]:
    """Log one point a step, and return them as the processor shows a series."""
    for step in steps:
        exporter.record(*LogCall("run-1", 1.7e9, step, {"a": float(step)}, {}))
    return [(step, float(step)) for step in steps]


def crowd(exporter: Exporter) -> None:
    """Make every queue count as half full."""
    for lane in exporter.lanes.values():
        lane.queue.capacity = 0


def pending(exporter: Exporter) -> int:
    return sum(exporter.stats()["pending"].values())


def lost(exporter: Exporter) -> int:
    return sum(exporter.stats()["dropped"]["metrics"].values())


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_lost_if_it_lasts_and_what_is_said_of_it(
    endpoint: Endpoint, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    count, retried = FAULTS[fault].lost, FAULTS[fault].retried
    row = ROWS[fault]
    endpoint.begin(fault)
    (finding,) = [one for one in doctor.examine(endpoint.environ).findings if one.topic == "endpoint"]
    assert finding.well == ("ok" in row.doctor)
    for words in set(row.doctor) - {"ok"}:
        assert words in f"{finding.seen}: {finding.advice}"
    before = len(endpoint.processor.received)

    exporter = endpoint.make_exporter(RETRY_TIMEOUT="0" if count == 5 else PATIENCE)
    exporter.record(*LogCall("run-1", 1.7e9, 0, {POISON: 0.0}, {}))
    log(exporter, range(1, 5))
    if count == 5 and retried:
        wait_until(lambda: exporter.stats()["errors"] >= 2)
        assert not lost(exporter)
        crowd(exporter)
    wait_until(lambda: not pending(exporter))
    exporter.shutdown()
    stats = exporter.stats()
    check_law(stats)
    assert stats["dropped"]["metrics"] == (dict.fromkeys(row.lost_as, count) if count else {})
    assert stats["metrics_sent"] == 5 - count == len(endpoint.processor.points)
    assert (stats["retries"] > 0) == (retried and fault not in ("slow", "400", "413"))
    assert (stats["last_error"] is None) == (fault == "slow")
    said = [fault] if fault.isdigit() else row.last_error
    assert all(words in stats["last_error"] for words in said)
    bodies = [received.headers["Idempotency-Key"] for received in endpoint.processor.received[before:]]
    assert len(bodies) == len(set(bodies))
    warnings = capfd.readouterr().err.splitlines()
    assert len(warnings) == bool(count)
    if count:
        assert f"endpoint: {endpoint.environ['PRIMUS_LENS_API_BASE_URL']};" in warnings[0]
        assert f"data is being lost (metrics: {count} {row.lost_as[0]}" in warnings[0]
        assert all(words in warnings[0] for words in said)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("fault", HEALING)
def test_what_heals_in_time_costs_nothing(
    endpoint: Endpoint, fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.begin(fault)
    exporter = endpoint.make_exporter(RETRY_TIMEOUT=PATIENCE)
    points = log(exporter, range(20))
    wait_until(lambda: exporter.stats()["errors"] >= 2)
    points += log(exporter, range(20, 40))
    exporter.worker.request_timeout = 5.0  # a test's machine may be slow, once there is an answer
    endpoint.heal()
    wait_until(lambda: not pending(exporter))
    exporter.shutdown()
    stats = exporter.stats()
    check_law(stats)
    assert endpoint.processor.series("a") == points
    assert stats["metrics_sent"] == len(points)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("fault", LOSING_ALL)
def test_the_exit_waits_for_nobody_longer_than_it_may(endpoint: Endpoint, fault: str) -> None:
    """An endpoint that takes no connection is given up after a second whatever the timeout."""
    endpoint.begin(fault)
    unreachable = fault in ("refused", "unknown host", "bad certificate")
    exporter = endpoint.make_exporter(
        REQUEST_TIMEOUT=PATIENCE, SHUTDOWN_TIMEOUT=PATIENCE if unreachable else "0.4"
    )
    log(exporter, range(5))
    before = time.monotonic()
    exporter.shutdown()
    assert time.monotonic() - before < 20
    stats = exporter.stats()
    check_law(stats)
    assert not endpoint.processor.points
    assert stats["pending"]["metrics"] + lost(exporter) == 5


def test_a_name_that_is_looked_up_for_ever_costs_the_exit_its_timeout_and_no_more(
    scripts: ScriptRunner,
) -> None:
    finished = scripts.run(
        """
        import os, socket, threading
        genuine = socket.getaddrinfo
        asked = threading.Event()
        def look_up(host, *arguments, **options):
            if host == "processor.invalid":
                asked.set()
                threading.Event().wait()
            return genuine(host, *arguments, **options)
        socket.getaddrinfo = look_up
        import wandb
        run = wandb.init()
        for i in range(12_000):
            run.log({"a": i})
        assert asked.wait(60)
        run.finish()
        from primus_lens_wandb_exporter.exporter import get_exporter
        get_exporter().shutdown()
        print_stats()
        """,
        environ={
            "PRIMUS_LENS_WANDB_DEBUG": "false",
            "PRIMUS_LENS_API_BASE_URL": f"http://{UNKNOWN}/api/v1",
            "PRIMUS_LENS_WANDB_SHUTDOWN_TIMEOUT": "0.5",
            "PRIMUS_LENS_WANDB_FINISH_TIMEOUT": "0.5",
        },
    )
    stats = finished.stats
    check_law(stats)
    assert stats["accepted"]["metrics"] == 12_000
    assert stats["metrics_sent"] == 0
    assert stats["dropped"]["metrics"]["queue_full"] >= 500
    assert "data is being lost" in finished.debug


def test_a_run_that_lives_through_an_outage_arrives_whole(
    scripts: ScriptRunner, processor: Processor
) -> None:
    answers = [503, 429]
    processor.answer = lambda request: Response("", answers.pop()) if answers else None
    finished = scripts.run(
        """
        import wandb
        run = wandb.init()
        for i in range(500):
            run.log({"a": i})
        run.finish()
        from primus_lens_wandb_exporter.exporter import get_exporter
        get_exporter().shutdown()
        print_stats()
        """
    )
    check_law(finished.stats)
    assert processor.refused == 2
    assert processor.series("a") == [(i, float(i)) for i in range(500)]
    assert finished.stats["metrics_sent"] == len(processor.points)
    assert len(processor.detections) == finished.stats["detection_sent"] == 1


@pytest.mark.parametrize("fault", ["503", "hangs up"])
def test_an_outage_of_three_seconds_at_a_hundred_calls_a_second_costs_nothing(
    endpoint: Endpoint, fault: str
) -> None:
    endpoint.begin(fault)
    exporter = endpoint.make_exporter()
    points = []
    for step in range(400):
        points += log(exporter, range(step, step + 1))
        time.sleep(0.01)
        if step == 300:
            endpoint.heal()
    exporter.shutdown()
    stats = exporter.stats()
    check_law(stats)
    assert stats["errors"] >= 2
    assert endpoint.processor.series("a") == points
    assert stats["metrics_sent"] == 400


@pytest.mark.usefixtures("hasty")
def test_a_body_whose_answer_is_lost_is_sent_again_under_the_same_key(
    endpoint: Endpoint, server: HTTPServer
) -> None:
    """It is stored already: that the key is the same lets the processor know."""

    def lose_the_answer(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", server.port)) as behind:
            behind.sendall(read_request(connection))
            behind.recv(65536)
        connection.close()

    endpoint.use_front()
    endpoint.front.treat(lose_the_answer)
    exporter = endpoint.make_exporter()
    exporter.worker.batch_size = 5
    log(exporter, range(5))
    wait_until(lambda: exporter.stats()["errors"] >= 2)
    endpoint.heal()
    wait_until(lambda: not pending(exporter))
    exporter.shutdown()
    check_law(exporter.stats())
    received = endpoint.processor.received
    assert len(received) >= 3
    by_key = {one.headers["Idempotency-Key"]: len(one.body["metrics"]) for one in received}
    assert sum(by_key.values()) == exporter.stats()["metrics_sent"] == 5


@pytest.mark.usefixtures("hasty")
def test_retry_after_holds_requests_back(endpoint: Endpoint) -> None:
    times: list[float] = []

    def answer(request: Request) -> Response | None:
        times.append(time.monotonic())
        return Response("", 429, {"Retry-After": "1"}) if len(times) == 1 else None

    endpoint.answer(answer)
    exporter = endpoint.make_exporter()
    log(exporter, range(900))  # more than half a queue, which is in a hurry otherwise
    wait_until(lambda: not pending(exporter))
    exporter.shutdown()
    check_law(exporter.stats())
    assert times[1] - times[0] >= 1.0


@pytest.mark.usefixtures("hasty")
def test_a_detection_record_that_the_processor_stumbles_over_holds_up_no_metrics(
    endpoint: Endpoint,
) -> None:
    endpoint.answer(lambda request: Response("", 500) if "detection" in request.path else None)
    exporter = endpoint.make_exporter(RETRY_TIMEOUT=PATIENCE)
    exporter.announce(RUN)
    wait_until(lambda: exporter.stats()["errors"])
    for step in range(20):
        exporter.record(*LogCall("run-1", 1.7e9, step, {"a": float(step)}, {"b": "text"}))
    wait_until(lambda: exporter.stats()["sent"] == {"detection": 0, "metrics": 20, "logs": 20})
    endpoint.heal()
    exporter.shutdown()
    check_law(exporter.stats())
    assert len(endpoint.processor.detections) == exporter.stats()["sent"]["detection"] == 1


@pytest.mark.parametrize("status", [400, 413])
def test_an_endpoint_that_refuses_everything_is_not_stormed_with_halves(
    endpoint: Endpoint, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nginx does for http:// on its https port. To find N bad points takes 2 N - 1 requests."""
    monkeypatch.setattr(route, "SPACING", float(PATIENCE))
    endpoint.answer(lambda request: Response("The plain HTTP request was sent to HTTPS port", status))
    exporter = endpoint.make_exporter(SHUTDOWN_TIMEOUT="0.5")
    exporter.record(*LogCall("run-1", 1.7e9, 0, {f"a{i}": 0.0 for i in range(500)}, {}))
    way = exporter.lanes["metrics"].route
    wait_until(lambda: not pending(exporter) or way.open_at(hurried=True) > time.monotonic() + 60)
    assert pending(exporter)
    assert endpoint.processor.refused < 100
    exporter.shutdown()
    check_law(exporter.stats())
    assert lost(exporter) == 500


@pytest.mark.usefixtures("hasty")
def test_an_outage_longer_than_the_retry_timeout_costs_nothing_while_the_queues_have_room(
    endpoint: Endpoint,
) -> None:
    endpoint.begin("503")
    exporter = endpoint.make_exporter(RETRY_TIMEOUT="0")
    exporter.announce(RUN)
    points = log(exporter, range(20))
    wait_until(lambda: exporter.stats()["errors"] >= 5)
    points += log(exporter, range(20, 40))
    endpoint.heal()
    wait_until(lambda: not pending(exporter))
    exporter.shutdown()
    stats = exporter.stats()
    check_law(stats)
    assert not any(stats["dropped"].values())
    assert endpoint.processor.series("a") == points
    assert len(endpoint.processor.detections) == 1
