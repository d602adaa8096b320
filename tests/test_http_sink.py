"""Requests to a real server on loopback: what is in them, and what becomes of each answer."""

from __future__ import annotations

import gzip
import os
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from pytest_httpserver import HTTPServer
from werkzeug import Response

from primus_lens_wandb_exporter.delivery.envelope import Envelope, Verdict
from primus_lens_wandb_exporter.delivery.http_sink import HttpSink
from primus_lens_wandb_exporter.payloads import LogCall, metrics_envelopes
from primus_lens_wandb_exporter.settings import Settings

from .support.processor import Processor

HttpSinks = Any  # makes an HttpSink from settings


@pytest.fixture
def make_sink() -> Iterator[HttpSinks]:
    """Makes sinks, and closes them."""
    sinks: list[HttpSink] = []

    def make(url: str, **settings: Any) -> HttpSink:
        sinks.append(HttpSink(Settings(workload_uid="workload-1", api_base_url=url, **settings)))
        return sinks[-1]

    yield make
    for sink in sinks:
        sink.close()


def an_envelope() -> Envelope:
    """Return a metrics body of one point, as the contract wants it."""
    call = LogCall("run-1", 1.7e9, 3, {"loss": 0.5}, {})
    (envelope,) = metrics_envelopes(Settings(workload_uid="workload-1"), [call])
    return envelope


def headers_of(processor: Processor) -> dict[str, str]:
    return processor.received[-1].headers


def test_a_body_arrives_with_its_key_and_type(make_sink: HttpSinks, processor: Processor) -> None:
    envelope = an_envelope()
    outcome = make_sink(processor.url).send(envelope, 5)
    assert outcome.verdict is Verdict.SENT
    received = processor.received[0]
    assert received.path == "/wandb/metrics"
    assert received.body["metrics"][0]["value"] == 0.5
    assert received.headers["Content-Type"] == "application/json"
    assert received.headers["Idempotency-Key"] == envelope.key
    assert received.headers["User-Agent"].startswith("primus-lens-wandb-exporter/")
    assert "Authorization" not in received.headers
    assert "Content-Encoding" not in received.headers


def test_one_connection_is_kept(make_sink: HttpSinks) -> None:
    clients = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            clients.add(self.client_address)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        sink = make_sink(f"http://127.0.0.1:{server.server_port}")
        assert [sink.send(an_envelope(), 5).verdict for _ in range(3)] == [Verdict.SENT] * 3
        sink.close()
        server.shutdown()
    assert len(clients) == 1


def test_the_token_travels_as_a_bearer(make_sink: HttpSinks, processor: Processor) -> None:
    make_sink(processor.url, token="s3cret").send(an_envelope(), 5)
    assert headers_of(processor)["Authorization"] == "Bearer s3cret"


def test_a_token_file_is_read_again_after_it_was_rotated(
    make_sink: HttpSinks, processor: Processor, tmp_path: Path
) -> None:
    """As the kubelet does it: a link is swung to another file."""
    (tmp_path / "old").write_text("first\n")
    (tmp_path / "new").write_text("other\n")
    link = tmp_path / "token"
    link.symlink_to("old")
    sink = make_sink(processor.url, token_file=str(link), token="not this one")
    sink.send(an_envelope(), 5)
    assert headers_of(processor)["Authorization"] == "Bearer first"
    (tmp_path / "swung").symlink_to("new")
    os.replace(tmp_path / "swung", link)
    sink.send(an_envelope(), 5)
    assert headers_of(processor)["Authorization"] == "Bearer other"


def test_a_token_file_that_vanishes_for_a_moment_keeps_the_last_token(
    make_sink: HttpSinks, processor: Processor, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_text("first")
    sink = make_sink(processor.url, token_file=str(path))
    sink.send(an_envelope(), 5)
    path.unlink()
    sink.send(an_envelope(), 5)
    assert headers_of(processor)["Authorization"] == "Bearer first"


def test_a_token_file_that_is_no_text_raises_nothing(
    make_sink: HttpSinks, processor: Processor, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\xff\xfe")
    make_sink(processor.url, token_file=str(path)).send(an_envelope(), 5)


def test_a_header_that_http_has_no_form_for_loses_the_body_and_raises_nothing(
    make_sink: HttpSinks, processor: Processor
) -> None:
    sink = make_sink(processor.url, headers=(("X-Name", "s3cret-\u20ac"),))
    outcome = sink.send(an_envelope(), 5)
    assert outcome.verdict is Verdict.DROP
    assert "s3cret" not in outcome.detail
    assert not processor.received


@pytest.mark.parametrize("token", ["s3cret\n# rotated", "s3cret-\u20ac"])
def test_a_token_that_is_half_written_is_waited_for_and_not_told(
    make_sink: HttpSinks, processor: Processor, tmp_path: Path, token: str
) -> None:
    path = tmp_path / "token"
    path.write_text(token, encoding="utf-8")
    sink = make_sink(processor.url, token_file=str(path))
    outcome = sink.send(an_envelope(), 5)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "bad_token")
    assert "s3cret" not in outcome.detail
    path.write_text("whole")
    assert sink.send(an_envelope(), 5).verdict is Verdict.SENT


def test_extra_headers_are_sent(make_sink: HttpSinks, processor: Processor) -> None:
    headers = (("X-Scope-OrgID", "team-a"), ("X-Other", "1"))
    make_sink(processor.url, headers=headers).send(an_envelope(), 5)
    assert headers_of(processor)["X-Scope-Orgid"] == "team-a"
    assert headers_of(processor)["X-Other"] == "1"


def test_bodies_are_compressed_when_asked(
    make_sink: HttpSinks, processor: Processor, server: HTTPServer
) -> None:
    envelope = an_envelope()
    assert make_sink(processor.url, gzip=True).send(envelope, 5).verdict is Verdict.SENT
    assert headers_of(processor)["Content-Encoding"] == "gzip"
    ((request, _),) = server.log
    assert gzip.decompress(request.get_data()) == envelope.body()


def test_netrc_adds_no_credentials(
    make_sink: HttpSinks, processor: Processor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password hunter2\ndefault login a password b\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    make_sink(processor.url).send(an_envelope(), 5)
    assert "Authorization" not in headers_of(processor)


def test_a_redirect_is_not_followed(
    make_sink: HttpSinks, processor: Processor, server: HTTPServer
) -> None:
    answer = Response("", 307, headers={"Location": server.url_for("/elsewhere")})
    processor.answer = lambda request: answer
    outcome = make_sink(processor.url, token="s3cret").send(an_envelope(), 5)
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, "http_307")
    assert [request.path for request, _ in server.log] == ["/api/v1/wandb/metrics"]


@pytest.mark.parametrize(
    ("status", "text", "verdict"),
    [
        (200, "{}", Verdict.SENT),
        (202, "{}", Verdict.SENT),
        (400, '{"error":"invalid request format"}', Verdict.SPLIT),
        (400, '{"error":"either workload_uid or pod_name is required"}', Verdict.SPLIT),
        (400, '{"meta":{"message":"no valid workload found"}}', Verdict.RETRY),
        (401, "", Verdict.RETRY),
        (403, "", Verdict.RETRY),
        (404, "page not found", Verdict.DROP),
        (405, "", Verdict.DROP),
        (408, "", Verdict.RETRY),
        (413, "too large", Verdict.SPLIT),
        (429, "", Verdict.RETRY),
        (500, "\x00 garbage \xff", Verdict.RETRY),
        (502, "<html>", Verdict.RETRY),
        (503, "", Verdict.RETRY),
        (504, "", Verdict.RETRY),
    ],
)
def test_each_answer_has_its_verdict(
    make_sink: HttpSinks, processor: Processor, status: int, text: str, verdict: Verdict
) -> None:
    processor.answer = lambda request: Response(text, status)
    outcome = make_sink(processor.url).send(an_envelope(), 5)
    assert outcome.verdict is verdict
    assert not outcome.unreachable
    assert outcome.retry_after is None
    if verdict is not Verdict.SENT:
        assert outcome.reason == f"http_{status}"
        assert outcome.detail.startswith(f"{status} {text[:1]}".replace("\0", "?").strip())


@pytest.mark.parametrize(
    ("status", "text"),
    [(200, "<html>Please log in"), (200, ""), (200, "ok"), (200, "\x00\xff"), (204, "")],
)
def test_a_success_that_is_no_processors_is_retried(
    make_sink: HttpSinks, processor: Processor, status: int, text: str
) -> None:
    processor.answer = lambda request: Response(text, status)
    outcome = make_sink(processor.url).send(an_envelope(), 5)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "garbage")
    assert "no telemetry-processor" in outcome.detail


def test_a_long_answer_is_cut(make_sink: HttpSinks, processor: Processor) -> None:
    processor.answer = lambda request: Response("x" * 100_000, 500)
    assert len(make_sink(processor.url).send(an_envelope(), 5).detail) < 300


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("<html>\r\n<title>502</title>\r\n", "500 <html> <title>502</title>"),
        ("\x1b[31mred\x00\u202e\u2028end", "500 ?[31mred?? end"),
    ],
)
def test_what_an_answer_says_is_one_harmless_line(
    make_sink: HttpSinks, processor: Processor, text: str, detail: str
) -> None:
    processor.answer = lambda request: Response(text, 500)
    assert make_sink(processor.url).send(an_envelope(), 5).detail == detail


def retry_after(make_sink: HttpSinks, processor: Processor, text: str) -> float | None:
    processor.answer = lambda request: Response("", 429, headers={"Retry-After": text})
    outcome = make_sink(processor.url).send(an_envelope(), 5)
    assert outcome.verdict is Verdict.RETRY
    return outcome.retry_after


def test_retry_after_in_seconds(make_sink: HttpSinks, processor: Processor) -> None:
    assert retry_after(make_sink, processor, "17") == 17.0


def test_retry_after_as_a_date(make_sink: HttpSinks, processor: Processor) -> None:
    in_an_hour = datetime.now(timezone.utc) + timedelta(hours=1)
    seconds = retry_after(make_sink, processor, format_datetime(in_an_hour, usegmt=True))
    assert seconds is not None
    assert 3000 < seconds <= 3600


def test_retry_after_in_the_past_is_now(make_sink: HttpSinks, processor: Processor) -> None:
    assert retry_after(make_sink, processor, "Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize("text", ["", "soon", "-5", "1.5", "\u00b2", "Wed, 99 Foo 2015 07:28:00 GMT"])
def test_a_retry_after_that_makes_no_sense_is_ignored(
    make_sink: HttpSinks, processor: Processor, text: str
) -> None:
    assert retry_after(make_sink, processor, text) is None


def test_what_json_cannot_express_is_not_sent(make_sink: HttpSinks, processor: Processor) -> None:
    outcome = make_sink(processor.url).send(Envelope("/wandb/detection", {"a": object()}), 5)
    assert (outcome.verdict, outcome.reason) == (Verdict.DROP, "not_serializable")
    assert not processor.received
    assert not processor.refused


class Impolite(NamedTuple):
    """A server on loopback that speaks in raw bytes, or not at all."""

    url: str
    requests: list[bytes]


@pytest.fixture
def impolite_server(request: pytest.FixtureRequest) -> Iterator[Impolite]:
    """Accepts connections, reads, says what the parameter says, closes; `None`: never says a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []
    silent: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            requests.append(connection.recv(65536))
            if request.param is None:
                silent.append(connection)
                continue
            connection.sendall(request.param)
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield Impolite(f"http://127.0.0.1:{listener.getsockname()[1]}", requests)
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)
    for connection in silent:
        connection.close()


@pytest.mark.parametrize("impolite_server", [None], indirect=True)
def test_an_endpoint_that_never_answers_times_out(
    make_sink: HttpSinks, impolite_server: Impolite
) -> None:
    outcome = make_sink(impolite_server.url).send(an_envelope(), 0.2)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "timeout")
    assert impolite_server.requests


def test_an_answer_that_drips_is_given_up_when_the_time_is_up(make_sink: HttpSinks) -> None:
    def drip() -> None:
        connection, _ = listener.accept()
        try:
            while True:
                connection.sendall(b"H")
                time.sleep(0.05)
        except OSError:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        sink = make_sink(f"http://127.0.0.1:{listener.getsockname()[1]}")
        outcome = sink.send(an_envelope(), 0.5)
        sink.close()
        thread.join(10)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "timeout")


@pytest.mark.parametrize(
    "impolite_server",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\xff\x00\xff\r\n\r\n",
    ],
    ids=["nothing", "half a body", "bad chunks", "bad gzip", "long header", "ssh", "garbage"],
    indirect=True,
)
def test_a_connection_that_breaks_or_speaks_no_http_is_retried(
    make_sink: HttpSinks, impolite_server: Impolite
) -> None:
    outcome = make_sink(impolite_server.url).send(an_envelope(), 5)
    assert outcome.verdict is Verdict.RETRY
    assert outcome.reason in ("broken", "garbage")
    assert not outcome.unreachable  # an exit has more patience with it
    assert outcome.detail


def test_a_refused_connection_is_retried_as_unreachable(make_sink: HttpSinks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    outcome = make_sink(url).send(an_envelope(), 5)
    assert (outcome.verdict, outcome.reason) == (Verdict.RETRY, "unreachable")
    assert outcome.unreachable


@pytest.mark.parametrize("url", ["http://[::1", "http://*bad*..host/", "gopher://127.0.0.1/"])
def test_an_endpoint_that_is_no_url_loses_the_body_and_raises_nothing(
    make_sink: HttpSinks, url: str
) -> None:
    outcome = make_sink(url, proxy="never").send(an_envelope(), 1)
    assert outcome.verdict is Verdict.DROP


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that nobody knows."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module", params=["one-sided"])
def tls_server(authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[HTTPServer]:
    """A server with a certificate; with the parameter `mutual`, it wants one of the client, too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    if request.param == "mutual":
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    with HTTPServer(host="127.0.0.1", ssl_context=context, threaded=True) as server:
        server.expect_request("/wandb/metrics").respond_with_data("{}")
        yield server


def base(server: HTTPServer) -> str:
    return server.url_for("").rstrip("/")


def test_a_server_of_an_unknown_authority_is_not_trusted(
    make_sink: HttpSinks, tls_server: HTTPServer
) -> None:
    tls_server.clear_log()
    outcome = make_sink(base(tls_server), token="s3cret").send(an_envelope(), 5)
    assert outcome.verdict is Verdict.RETRY
    assert "certificate" in outcome.detail.lower()
    assert not tls_server.log


def test_a_ca_file_makes_it_trusted(make_sink: HttpSinks, tls_server: HTTPServer, ca_file: str) -> None:
    outcome = make_sink(base(tls_server), ca_file=ca_file).send(an_envelope(), 5)
    assert outcome.verdict is Verdict.SENT


def test_the_ca_bundle_of_the_image_counts_too(
    make_sink: HttpSinks, tls_server: HTTPServer, ca_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", ca_file)
    assert make_sink(base(tls_server)).send(an_envelope(), 5).verdict is Verdict.SENT


@pytest.mark.parametrize("tls_server", ["mutual"], indirect=True)
@pytest.mark.parametrize("in_one_file", [False, True])
def test_a_client_certificate_is_shown(
    make_sink: HttpSinks,
    tls_server: HTTPServer,
    authority: trustme.CA,
    ca_file: str,
    tmp_path: Path,
    in_one_file: bool,
) -> None:
    assert make_sink(base(tls_server), ca_file=ca_file).send(an_envelope(), 5).verdict is Verdict.RETRY
    issued = authority.issue_cert("client@example.org")
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    if in_one_file:
        issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
        paths = {"client_cert": str(certificate)}
    else:
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        paths = {"client_cert": str(certificate), "client_key": str(key)}
    outcome = make_sink(base(tls_server), ca_file=ca_file, **paths).send(an_envelope(), 5)
    assert outcome.verdict is Verdict.SENT


@pytest.mark.parametrize("setting", ["ca_file", "client_cert"])
def test_a_certificate_file_that_is_missing_is_retried_until_it_is_mounted(
    make_sink: HttpSinks, tls_server: HTTPServer, setting: str
) -> None:
    outcome = make_sink(base(tls_server), **{setting: "/nowhere/file.pem"}).send(an_envelope(), 5)
    assert outcome.verdict is Verdict.RETRY
    assert "/nowhere/file.pem" in outcome.detail


@pytest.mark.parametrize("tls_server", ["mutual"], indirect=True)
def test_a_client_certificate_that_is_renewed_is_read_again(
    make_sink: HttpSinks, tls_server: HTTPServer, authority: trustme.CA, ca_file: str, tmp_path: Path
) -> None:
    certificate = tmp_path / "client.pem"
    trustme.CA().issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(
        str(certificate)
    )
    sink = make_sink(base(tls_server), ca_file=ca_file, client_cert=str(certificate))
    outcome = sink.send(an_envelope(), 5)
    assert outcome.verdict is Verdict.RETRY
    renewed = authority.issue_cert("client@example.org").private_key_and_cert_chain_pem
    renewed.write_to_path(str(certificate))
    assert sink.send(an_envelope(), 5).verdict is Verdict.SENT
