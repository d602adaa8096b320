"""A server for this machine alone: not for pages from elsewhere that find a name leading to it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from primus_lens_wandb_exporter.processor.nearness import is_near

from ..support import bodies
from ..support.served import Server, served

TOKENS = {"PRIMUS_LENS_PROCESSOR_INGEST_TOKEN": "a", "PRIMUS_LENS_PROCESSOR_READ_TOKEN": "b"}


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("127.0.0.1:8080", True),
        ("[::1]:8080", True),
        ("localhost", True),
        ("LOCALHOST.:1", True),
        ("lens.localhost:8080", True),
        ("host.docker.internal:8080", True),
        ("lens.training.svc.cluster.local", True),
        ("lens", True),
        ("", True),
        ("evil.example", False),
        ("evil.example.:8080", False),
        ("127.0.0.1.evil.example:8080", False),
        ("localhost.evil.example", False),
    ],
)
def test_names_are_near_that_no_stranger_can_give(host: str, near: bool) -> None:
    assert is_near(host) is near


def statuses(server: Server, host: str, token: str = "") -> list[int]:
    """Return how a question, a body and a file of the page are answered under a name."""
    headers = {"Host": host, **({"Authorization": f"Bearer {token}"} if token else {})}
    with httpx.Client(base_url=server.url, headers=headers, trust_env=False) as client:
        asked = client.get("/api/v1/runs")
        sent = client.post("/api/v1/wandb/metrics", json=bodies.metrics(bodies.point()))
        return [asked.status_code, sent.status_code, client.get("/").status_code]


def test_without_tokens_names_of_elsewhere_are_refused(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        assert statuses(server, "evil.example") == [403] * 3
        assert statuses(server, "localhost:1") == [200] * 3


def test_with_tokens_any_name_will_do(tmp_path: Path) -> None:
    with served(tmp_path, environ=TOKENS) as server:
        assert statuses(server, "lens.example", "b") == [200, 401, 200]


def test_who_listens_elsewhere_may_be_called_anything(tmp_path: Path) -> None:
    with served(tmp_path, "--host", "0.0.0.0") as server:
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        assert statuses(server, "lens.example") == [200] * 3
