"""Alerts ask for what the processor really counts; Grafana's sidecar finds the dashboard."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import promql_parser
import pytest
import yaml

from primus_lens_wandb_exporter.processor.settings import Settings
from primus_lens_wandb_exporter.processor.store import Delivery, Full, StoreError
from primus_lens_wandb_exporter.processor.store.sqlite import SqliteStore
from primus_lens_wandb_exporter.processor.store.writer import Writer

from ..support.bodies import metrics, point
from ..support.cluster.manifests import K8S, find, render
from ..support.delivery import wait_until
from ..support.embedded import Embedded, embedded
from ..support.served import served

OF_PROMETHEUS = "up"
RULES = yaml.safe_load((K8S / "processor/monitoring/prometheusrule.yaml").read_text())
(GROUP,) = RULES["spec"]["groups"]


SERVE_AND_LOOK = """
import sys
from primus_lens_wandb_exporter.cli import main
from primus_lens_wandb_exporter.processor.silence import SilentPods
SilentPods.__init__.__defaults__ = (0.01, 60.0)  # the first look at once
sys.exit(main(["serve", *sys.argv[1:]]))
"""


def selectors(node: Any) -> Iterator[promql_parser.VectorSelector]:
    """Yield what an expression asks for."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "args"):
        part = getattr(node, name, None)
        for each in part if isinstance(part, list) else [part]:
            if each is not None:
                yield from selectors(each)


@pytest.fixture(scope="module")
def served_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The metrics of a server, which counts more than the application, silent pods among them."""

    def names() -> set[str]:
        text = httpx.get(f"{server.url}/metrics", trust_env=False).text
        return set(re.findall(r"^(\w+)", text, re.MULTILINE))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.support.served.SERVE", [sys.executable, "-c", SERVE_AND_LOOK])
        with served(tmp_path_factory.mktemp("served")) as server:
            wait_until(lambda: any("silent" in name for name in names()))
            return names()


def refuse(taker: Embedded, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let it refuse for every reason that an alert tells of; return the statuses."""

    def post() -> int:
        answer = taker.post("metrics", metrics(point()), Authorization="Bearer t")
        return int(answer.status_code)

    def failing(error: Exception) -> int:
        def fail(store: SqliteStore, deliveries: list[Delivery]) -> list[bool]:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(SqliteStore, "write", fail)
            return post()

    statuses = [taker.post("metrics", metrics(point())).status_code]
    statuses += [failing(error) for error in (Full("no room"), StoreError("ill"), KeyError("a fault"))]
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "is_full", True)
        statuses.append(post())
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "check", lambda store: 1 / 0)
        statuses.append(taker.client.get("/ready").status_code)
    return statuses


@pytest.mark.parametrize("rule", GROUP["rules"], ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_and_reasons_that_there_are(
    rule: dict[str, Any], served_names: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded(tmp_path, Settings(ingest_token="t")) as taker:
        assert refuse(taker, monkeypatch) == [401, 503, 503, 500, 429, 503]
        exposed = taker.client.get("/metrics").text
    names = set(re.findall(r"^(\w+)", exposed, re.MULTILINE)) | served_names
    reasons = set(
        re.findall(r'^primus_lens_processor_refusals_total{reason="(\w+)"}', exposed, re.MULTILINE)
    )
    asked = list(selectors(promql_parser.parse(rule["expr"])))
    assert asked
    for selector in asked:
        assert selector.name in names | {OF_PROMETHEUS}
        for matcher in selector.matchers.matchers:
            if matcher.name == "reason":
                assert set(matcher.value.split("|")) <= reasons


def test_a_question_that_is_not_answered_calls_nobody_for_what_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*asked: Any, **how: Any) -> None:
        raise StoreError("canceling statement due to statement timeout")

    (rule,) = [rule for rule in GROUP["rules"] if rule["alert"] == "PrimusLensNothingStored"]
    (reasons,) = re.findall(r'reason=~"(.*?)"', rule["expr"])
    monkeypatch.setattr(SqliteStore, "workloads", fail)
    with embedded(tmp_path) as taker:
        assert taker.client.get("/api/v1/workloads").status_code == 503
        exposed = taker.client.get("/metrics").text
    (counted,) = re.findall(r'^primus_lens_processor_refusals_total{reason="(\w+)"} 1.0', exposed, re.M)
    assert counted not in reasons.split("|")


def counted(alert: str, exposed: str) -> list[float]:
    """Return the samples, added up, of each selector of an alert's expression."""

    def total(selector: promql_parser.VectorSelector) -> float:
        samples = re.findall(rf"^{selector.name}{{(.*)}} (.*)$", exposed, re.MULTILINE)
        return sum(
            float(value)
            for labels, value in samples
            if all(
                re.fullmatch(matcher.value, dict(re.findall(r'(\w+)="(.*?)"', labels))[matcher.name])
                for matcher in selector.matchers.matchers
            )
        )

    (rule,) = [rule for rule in GROUP["rules"] if rule["alert"] == alert]
    return [total(selector) for selector in selectors(promql_parser.parse(rule["expr"]))]


def test_the_alert_of_tokens_is_of_senders_and_of_no_dashboard(tmp_path: Path) -> None:
    with embedded(tmp_path, Settings(ingest_token="t", read_token="r")) as taker:
        taker.post("metrics", metrics(point()))
        for _ in range(3):
            taker.post("metrics", metrics(point()), Authorization="Bearer t")
            taker.client.get("/api/v1/workloads")
            taker.client.get("/metrics")
        exposed = taker.client.get("/metrics").text
    assert counted("PrimusLensTokenRefused", exposed) == [1, 4]


def test_the_alert_of_one_that_is_busy_is_of_senders_and_of_no_dashboard(tmp_path: Path) -> None:
    with embedded(tmp_path) as taker:
        for _ in range(3):
            taker.post("metrics", metrics(point()))
            taker.client.get("/metrics")
    assert taker.post("metrics", metrics(point())).status_code == 429  # its writer is closed now
    exposed = taker.client.get("/metrics").text
    assert counted("PrimusLensProcessorBusy", exposed) == [1, 4]


def test_the_alert_of_one_that_is_gone_names_the_job_and_namespace_of_the_monitor(
    tmp_path: Path,
) -> None:
    monitor = yaml.safe_load((K8S / "processor/monitoring/servicemonitor.yaml").read_text())
    service = find(render(K8S / "processor/sqlite"), "Service")
    labels = {
        matcher.name: matcher.value
        for rule in GROUP["rules"]
        for selector in selectors(promql_parser.parse(rule["expr"]))
        if selector.name == OF_PROMETHEUS
        for matcher in selector.matchers.matchers
    }
    # The operator names a job after the Service, unless `jobLabel` says otherwise.
    assert "jobLabel" not in monitor["spec"]
    assert labels == {
        "job": service["metadata"]["name"],
        "namespace": service["metadata"]["namespace"],
    }


@pytest.mark.parametrize("rule", GROUP["rules"], ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_how_badly_and_only_when_it_lasts(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert re.fullmatch(r"\d+m", rule["for"])


def test_grafanas_sidecar_finds_the_dashboard_whole() -> None:
    (document,) = render(K8S / "grafana")
    assert (document["kind"], document["metadata"]["labels"]["grafana_dashboard"]) == ("ConfigMap", "1")
    assert "namespace" not in document["metadata"]  # where kubectl is told to put it
    ((name, text),) = document["data"].items()
    assert name.endswith(".json")
    assert json.loads(text) == json.loads((K8S / "grafana/dashboard.json").read_text())
    assert len(text) < 200_000  # `kubectl apply` keeps a copy in an annotation, of 256 KiB at most
