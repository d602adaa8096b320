"""The processor on PostgreSQL, run out of its manifests: side by side, rolled, without a database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from ..support.cluster.container_env import ConfigError
from ..support.cluster.image import Image
from ..support.cluster.manifests import Document, container
from ..support.cluster.nodes import Network, network
from ..support.cluster.replicas import Replica, overlay, processor_image, processor_template, replica
from ..support.cluster.service import Service, service
from ..support.delivery import wait_until
from ..support.postgres import MISSING, QUICK, Postgres, ask_postgres, postgres_server
from ..support.scripts import ScriptRunner, clean_environ
from ..support.senders import Steady

PASSWORD = "p@ss:w/rd"  # which a URL could not hold as it is
TRAINING = """
import os, time, wandb
run = wandb.init(project="vision")
step = 0
while not os.path.exists("enough"):
    run.log({"loss": 1 / (step + 1)})
    step += 1
    time.sleep(0.005)
run.finish()
print(step)
print_stats()
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return processor_image(tmp_path_factory.mktemp("image") / "python")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Network]:
    with network(3) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def postgres(nodes: Network) -> Iterator[Postgres]:
    """A server at the hub's address, with a database for a user who needs a password."""
    if MISSING:
        pytest.skip(MISSING)
    hub = nodes.hub
    with hub.inside(), postgres_server([*QUICK, f"listen_addresses={hub.address}"]) as server:
        server.run_sql(f"CREATE ROLE lens_of_pods LOGIN PASSWORD '{PASSWORD}'")
        yield server


@pytest.fixture
def secret(postgres: Postgres, nodes: Network) -> Iterator[Document]:
    """The Secret that the user makes, and a database as long as it lasts."""
    with postgres.database("OWNER lens_of_pods") as url:
        where = f"postgresql://lens_of_pods@{nodes.hub.address}{urlsplit(url).path}"
        yield {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "primus-lens-postgres", "namespace": "primus-lens"},
            "stringData": {"url": where, "password": PASSWORD},
        }


def roll(old: Replica, balanced: Service) -> dict[str, int]:
    """End a pod as a Deployment does it; what nodes learn of it they learn while it sleeps."""
    (processor,) = old.pod.manifest["spec"]["containers"]
    sleep = processor["lifecycle"]["preStop"]["sleep"]
    sleep["seconds"] = 2  # of more, which a test has no use for
    learn = threading.Timer(1, lambda: balanced.endpoints.remove(old.address))
    learn.start()
    try:
        return old.pod.delete()
    finally:
        learn.join()


def test_while_one_of_two_is_rolled_no_request_is_refused_and_every_point_is_there_once(
    tmp_path: Path, image: Image, nodes: Network, secret: Document
) -> None:
    documents = overlay(tmp_path, "postgres")
    names = ["one", "two", "new"]
    one, two, new = (
        replica(tmp_path / name, documents, image, node, secret)
        for name, node in zip(names, nodes.nodes)
    )
    with one as first, two as second, service(nodes.hub, 8080, []) as balanced, ExitStack() as at_last:
        balanced.endpoints += [first.address, second.address]
        environ = {
            **clean_environ(tmp_path),
            "WORKLOAD_UID": "trained",
            "PRIMUS_LENS_API_BASE_URL": f"{balanced.url}/api/v1",
            "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": "1",
        }
        senders = [Steady(number, balanced, nodes.hub) for number in range(2)]
        with nodes.hub.inside():
            training = ScriptRunner(tmp_path, environ).start(TRAINING)
        at_last.callback(training.kill)  # it would train on for ever
        for sender in senders:
            at_last.callback(sender.enough.set)
            sender.start()
        wait_until(lambda: all(len(sender.statuses) > 20 for sender in senders))
        with new as third:
            balanced.endpoints.append(third.address)
            assert roll(first, balanced) == {"processor": 0}
            after = [len(sender.statuses) + 20 for sender in senders]
            wait_until(lambda: all(len(s.statuses) > count for s, count in zip(senders, after)))
            for sender in senders:
                sender.enough.set()
            for sender in senders:
                sender.join(30)
            (tmp_path / "enough").touch()
            finished = training.communicate(timeout=60)[0]
            found = {
                workload: third.get(f"/api/v1/workloads/{workload}/runs").json()["data"]["runs"]
                for workload in ("w", "trained")
            }
            told = third.get("/api/v1/workloads/trained/metrics/data", params={"limit": 1_000_000})
            logs = [each.pod.logs() for each in (first, second, third)]
    assert balanced.refused == []
    assert all(set(sender.statuses) == {200} for sender in senders)
    assert sorted(run["points"] for run in found["w"]) == sorted(10 * len(s.statuses) for s in senders)
    steps = int(finished.split()[0])
    assert '"dropped": {"detection": {}, "metrics": {}, "logs": {}}' in finished
    assert sorted(row["iteration"] for row in told.json()["data"]["data"]) == list(range(steps))
    assert all("/wandb/metrics" in log for log in logs)  # each of them took a part
    assert PASSWORD not in "".join(logs)


def test_a_database_that_is_away_restarts_no_pod_and_sends_it_no_requests(
    tmp_path: Path, image: Image, nodes: Network, postgres: Postgres, secret: Document
) -> None:
    with replica(tmp_path / "node", overlay(tmp_path, "postgres"), image, nodes.nodes[0], secret) as one:
        postgres.stop()
        try:
            assert not one.probe("readiness")
            assert one.probe("liveness")
        finally:
            with nodes.hub.inside():
                postgres.start()
        wait_until(lambda: one.probe("readiness"))
        assert one.pod.containers["processor"].running
        log = one.pod.logs()
    assert "not ready: " in log
    assert PASSWORD not in log


def test_with_a_certificate_in_the_secret_only_that_server_is_spoken_to(
    tmp_path: Path, image: Image, nodes: Network, postgres: Postgres, secret: Document
) -> None:
    authority = trustme.CA()
    postgres.speak_tls(authority.issue_cert(nodes.hub.address))
    documents = overlay(tmp_path, "postgres")
    secret["stringData"]["url"] += "?sslmode=verify-full"
    secret["stringData"]["ca.crt"] = authority.cert_pem.bytes().decode()
    with replica(tmp_path / "right", documents, image, nodes.nodes[0], secret):
        uses = ask_postgres(
            postgres.url(),
            "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
            " WHERE application_name = 'primus-lens-wandb'",
        )
    assert uses == [(True,)]
    secret["stringData"]["ca.crt"] = trustme.CA().cert_pem.bytes().decode()
    with (
        pytest.raises(AssertionError, match="certificate verify failed"),
        replica(tmp_path / "wrong", documents, image, nodes.nodes[0], secret),
    ):
        pass


def test_without_its_secret_no_pod_starts(tmp_path: Path, image: Image, nodes: Network) -> None:
    documents = overlay(tmp_path, "postgres")
    named = container(processor_template(documents), "processor")["env"][0]
    assert named["name"] == "PRIMUS_LENS_PROCESSOR_DB"
    with (
        pytest.raises(ConfigError, match='secret "primus-lens-postgres" not found'),
        replica(tmp_path / "node", documents, image, nodes.nodes[0]),
    ):
        pass
