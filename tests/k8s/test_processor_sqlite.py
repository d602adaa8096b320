"""The processor on a volume, run out of its manifests: as nobody, with nothing else to write to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.bodies import metrics, point
from ..support.cluster.container_env import ConfigError
from ..support.cluster.image import Image
from ..support.cluster.nodes import Network, network
from ..support.cluster.replicas import Replica, overlay, processor_image, replica
from ..support.scripts import ScriptRunner, clean_environ

TRAINING = """
import wandb
run = wandb.init(project="vision")
for i in range(300):
    run.log({"loss": 1 / (i + 1)})
run.finish()
print_stats()
"""

MANY = 30_000  # points of a body; 5 of them are more than SQLite keeps in memory


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return processor_image(tmp_path_factory.mktemp("image") / "python")


@pytest.fixture
def nodes() -> Iterator[Network]:
    with network(1) as nodes:
        yield nodes


def steps(one: Replica, **headers: str) -> list[int]:
    """Return the steps that it has of the workload's loss."""
    answer = one.get("/api/v1/workloads/workload-1/metrics/data", headers=headers)
    assert answer.status_code == 200, answer.text
    return [row["iteration"] for row in answer.json()["data"]["data"]]


def test_what_a_training_script_logs_is_there_after_the_pod_was_replaced(
    tmp_path: Path, image: Image, nodes: Network
) -> None:
    documents = overlay(tmp_path, "sqlite")
    claims = tmp_path / "claims"
    (node,) = nodes.nodes
    with replica(tmp_path / "first", documents, image, node, claims=claims) as one:
        assert one.probe("liveness")
        environ = {
            **clean_environ(tmp_path),
            "WORKLOAD_UID": "workload-1",
            "PRIMUS_LENS_API_BASE_URL": f"{one.url}/api/v1",
        }
        with nodes.hub.inside():
            finished = ScriptRunner(tmp_path, environ).run(TRAINING)
        assert finished.stats["metrics_sent"] == 300
        assert sorted(steps(one)) == list(range(300))
        assert one.pod.delete() == {"processor": 0}
        assert "EVERYONE WHO REACHES THIS ADDRESS may write and read" in one.pod.logs()
    with replica(tmp_path / "second", documents, image, node, claims=claims) as one:
        assert sorted(steps(one)) == list(range(300))


def test_it_runs_as_nobody_and_writes_to_its_volume_alone(
    tmp_path: Path, image: Image, nodes: Network
) -> None:
    look = """if True:
        import json, os
        status = dict(line.split(":", 1) for line in open("/proc/1/status"))
        tried = {}
        for folder in ("/", "/tmp", "/var/tmp", "/dev/shm", "/opt/venv", "/var/lib/primus-lens"):
            try:
                with open(folder + "/trial", "x"):
                    tried[folder] = True
                os.remove(folder + "/trial")
            except OSError:
                tried[folder] = False
        print(json.dumps([status["Uid"].split(), status["Gid"].split(), status["CapBnd"].strip(),
            status["NoNewPrivs"].strip(), os.environ.get("HOME"), tried]))
    """
    with replica(tmp_path / "node", overlay(tmp_path, "sqlite"), image, nodes.nodes[0]) as one:
        looked = one.pod.exec("python", "-c", look)
        users, groups, capabilities, no_new, home, tried = json.loads(looked.stdout)
    assert set(users) == set(groups) == {"65532"}
    assert (int(capabilities, 16), no_new, home) == (0, "1", "/")  # which it cannot write to
    tried.pop("/dev/shm")  # the runtime's own, and of no use to us
    assert {folder for folder, written in tried.items() if written} == {"/var/lib/primus-lens"}


def test_the_database_can_be_looked_at_given_room_back_and_exported_from_inside(
    tmp_path: Path, image: Image, nodes: Network
) -> None:
    with replica(tmp_path / "node", overlay(tmp_path, "sqlite"), image, nodes.nodes[0]) as one:
        for first in range(0, 5 * MANY, MANY):
            body = metrics(*(point("loss", 0.5, step) for step in range(first, first + MANY)))
            assert one.request("POST", "/api/v1/wandb/metrics", json=body).status_code == 200
        told = one.pod.exec("primus-lens-wandb", "db", "stats", "--json")
        assert (told.stderr, json.loads(told.stdout)["points"]) == ("", 5 * MANY)
        told = one.pod.exec("primus-lens-wandb", "db", "vacuum")
        assert (told.stderr, told.returncode) == ("", 0)
        told = one.pod.exec("primus-lens-wandb", "db", "export", "w/r", "--output", "-")
        assert told.stdout.count("\n") == 5 * MANY + 1
        assert one.probe("readiness")


def test_tokens_are_asked_for_and_changed_while_it_runs(
    tmp_path: Path, image: Image, nodes: Network
) -> None:
    name = "primus-lens-telemetry-processor-tokens"
    tokens = {"ingest": "writer-1\n", "read": "reader-1\n"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "primus-lens"},
        "stringData": tokens,
    }
    documents = overlay(tmp_path, "sqlite", "tokens")
    with replica(tmp_path / "node", documents, image, nodes.nodes[0], secret) as one:

        def statuses(token: str) -> tuple[int, int]:
            headers = {"Authorization": f"Bearer {token}"}
            body = metrics(point())
            written = one.request("POST", "/api/v1/wandb/metrics", json=body, headers=headers)
            return written.status_code, one.get("/api/v1/workloads", headers=headers).status_code

        assert [statuses(token) for token in ("none", "writer-1", "reader-1")] == [
            (401, 401),
            (200, 401),
            (401, 200),
        ]
        assert "EVERYONE" not in one.pod.logs()
        tokens["ingest"] = "writer-2\n"
        one.pod.volumes.refresh("tokens")
        assert [statuses(token) for token in ("writer-1", "writer-2", "reader-1")] == [
            (401, 401),
            (200, 401),
            (401, 200),
        ]
        assert one.probe("readiness")


def test_where_tokens_are_wanted_no_pod_starts_without_them(
    tmp_path: Path, image: Image, nodes: Network
) -> None:
    documents = overlay(tmp_path, "sqlite", "tokens")
    with (
        pytest.raises(ConfigError, match=r"secret .*-tokens.* not found"),
        replica(tmp_path / "node", documents, image, nodes.nodes[0]),
    ):
        pass
