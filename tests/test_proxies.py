"""Which requests go through a proxy: those that leave the cluster, if one is named."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pytest_httpserver import HTTPServer

from primus_lens_wandb_exporter.delivery.envelope import Envelope, Verdict
from primus_lens_wandb_exporter.delivery.http_sink import HttpSink
from primus_lens_wandb_exporter.delivery.proxies import is_cluster_local, proxy_for
from primus_lens_wandb_exporter.settings import Settings

OUTSIDE = "http://telemetry.example.com/api/v1"
PROXY = "http://proxy.example.com:3128"


@pytest.fixture(autouse=True)
def _no_proxies_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "host",
    [
        "primus-lens-telemetry-processor",
        "PROCESSOR",
        "processor.",
        "processor.lens.svc",
        "processor.lens.SVC",
        "processor.lens.svc.cluster.local",
        "processor.lens.svc.cluster.local.",
        "localhost",
        "app.localhost",
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.7.7",
        "169.254.1.1",
        "::1",
        "fd00::1",
        "fe80::1",
    ],
)
def test_hosts_of_the_cluster_are_local(host: str) -> None:
    assert is_cluster_local(host)


@pytest.mark.parametrize(
    "host", ["telemetry.example.com", "svc.example.com", "8.8.8.8", "172.32.0.1", "2606:4700::1111"]
)
def test_hosts_outside_are_not_local(host: str) -> None:
    assert not is_cluster_local(host)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_an_outside_host_goes_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, PROXY)
    assert proxy_for(OUTSIDE, "auto") == PROXY


@pytest.mark.parametrize(
    "url",
    [
        "http://processor:8080/api/v1",
        "http://processor.lens.svc:8080/api/v1",
        "http://processor.lens.svc.cluster.local/api/v1",
        "http://10.0.0.7:8080/api/v1",
        "http://[fd00::1]:8080/api/v1",
    ],
)
def test_a_host_of_the_cluster_goes_through_a_proxy_only_when_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert proxy_for(url, "auto") == ""
    assert proxy_for(url, "never") == ""
    assert proxy_for(url, "always") == PROXY
    assert proxy_for(url, "http://other:1") == "http://other:1"


def test_no_proxy_names_the_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "elsewhere.org,.example.com")
    assert proxy_for(OUTSIDE, "auto") == ""
    assert proxy_for("http://telemetry.example.org/", "auto") == PROXY


def test_never_means_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert proxy_for(OUTSIDE, "never") == ""


@pytest.fixture(scope="module")
def _proxy_server() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


@pytest.fixture
def proxy(_proxy_server: HTTPServer) -> HTTPServer:
    """A proxy on loopback that answers everything itself and remembers what it was asked."""
    _proxy_server.clear()
    _proxy_server.expect_request("/api/v1/wandb/metrics").respond_with_data("{}")
    return _proxy_server


def asked_for(proxy: HTTPServer) -> list[str]:
    return [request.host for request, _ in proxy.log]


def send(url: str, mode: str) -> Verdict:
    sink = HttpSink(Settings(api_base_url=url, proxy=mode))
    outcome = sink.send(Envelope("/wandb/metrics", {}), 5)
    sink.close()
    return outcome.verdict


def test_a_request_passes_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, proxy: HTTPServer
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url_for(""))
    assert send(OUTSIDE, "auto") is Verdict.SENT
    assert asked_for(proxy) == ["telemetry.example.com"]


def test_a_request_passes_the_proxy_of_the_settings(proxy: HTTPServer) -> None:
    assert send(OUTSIDE, proxy.url_for("")) is Verdict.SENT
    assert asked_for(proxy) == ["telemetry.example.com"]


def test_a_request_within_the_cluster_never_sees_the_proxy_unless_asked(
    monkeypatch: pytest.MonkeyPatch, proxy: HTTPServer
) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy.url_for(""))
    nobody = "http://127.0.0.1:1/api/v1"
    assert send(nobody, "auto") is Verdict.RETRY
    assert send("http://localhost:1/api/v1", "auto") is Verdict.RETRY
    assert not asked_for(proxy)
    assert send(nobody, "always") is Verdict.SENT
    assert asked_for(proxy) == ["127.0.0.1:1"]


def test_a_tunnel_that_was_closed_while_idle_is_opened_again(tmp_path: Path) -> None:
    """`https://` through a proxy: the proxy's own answer has a deadline of its own, too."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with HTTPServer(host="127.0.0.1", ssl_context=context, threaded=True) as server:
        server.expect_request("/api/v1/wandb/metrics").respond_with_data("{}")
        with TunnelProxy((server.host, server.port)) as proxy:
            settings = Settings(
                api_base_url=f"https://localhost:{server.port}/api/v1",
                proxy=proxy.url,
                ca_file=str(tmp_path / "ca.pem"),
            )
            sink = HttpSink(settings)
            for tunnels in (1, 2):
                assert sink.send(Envelope("/wandb/metrics", {}), 0.5).verdict is Verdict.SENT
                assert proxy.tunnels == tunnels
                proxy.close_tunnels()
                time.sleep(0.6)  # until the deadline of the first has passed
            sink.close()


class TunnelProxy:
    """Opens a tunnel to one address for each CONNECT."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.tunnels = 0
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> TunnelProxy:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_tunnels()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            assert client.recv(4096).startswith(b"CONNECT localhost:")
            server = socket.create_connection(self._target)
            self._ends += [client, server]
            self.tunnels += 1
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass

    def close_tunnels(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()
