"""`k8s/pod` where the network breaks, a node vanishes, or the pod is told to end."""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store import CRASHED_AFTER
from primus_lens_wandb_exporter.processor.store.location import open_store

from ..support.cluster import manifests
from ..support.cluster.logged import LOG, Row, check_killed, stored_rows, wait_for, written_rows
from ..support.cluster.two_nodes import TwoNodes

# Logs until it is told that it is enough.
TRAIN = """
run = wandb.init(project="outages")
step = 0
with open("/tmp/record.jsonl", "a", buffering=1) as record:
    while not os.path.exists("/tmp/enough"):
        log(run, record, step, 1 / (step + 1))
        step += 1
        time.sleep(0.01)
"""


class Training:
    """A pod that trains, and of which the processor has heard."""

    def __init__(self, nodes: TwoNodes) -> None:
        self.nodes = nodes
        self.pod = nodes.start_pod(manifests.render(manifests.K8S / "pod"), LOG + TRAIN)
        self.workload = self.pod.manifest["metadata"]["uid"]
        wait_for(lambda: self.runs and self.runs[0]["host"] and self.stored)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The runs that the processor knows."""
        return list(self.nodes.get("/runs")["runs"])

    @property
    def stored(self) -> Counter[Row]:
        """The points that the processor has."""
        return stored_rows(self.nodes.get, self.workload)

    @property
    def written(self) -> Counter[Row]:
        """The points that were logged."""
        return written_rows(self.pod.volumes.path("tmp") / "record.jsonl")

    @property
    def stats(self) -> dict[str, Any]:
        """What the process says of its deliveries."""
        finished = self.pod.exec("python", "-m", "primus_lens_wandb_exporter", "stats", "--json")
        assert finished.returncode == 0, finished.stderr
        (process,) = json.loads(finished.stdout)
        return dict(process)

    def finish(self) -> None:
        """Let it end well."""
        (self.pod.volumes.path("tmp") / "enough").touch()
        assert self.pod.wait() == {"training": 0}, self.pod.logs()


@pytest.fixture
def training(nodes: TwoNodes) -> Training:
    """A pod on the first node, and a processor."""
    return Training(nodes)


def test_a_node_is_cut_off_for_a_while_and_nothing_is_lost(training: Training) -> None:
    training.nodes.network.cut(0)
    wait_for(lambda: training.stats["errors"])
    training.nodes.network.mend(0)
    training.finish()
    assert training.stored == training.written
    assert [run["state"] for run in training.runs] == ["finished"]


def test_a_container_sends_what_the_one_before_it_put_aside(training: Training) -> None:
    pod, network = training.pod, training.nodes.network
    network.cut(0)
    pod.containers["training"].kill(signal.SIGTERM)
    assert pod.wait() == {"training": 143}
    before = training.written
    assert before - training.stored
    network.mend(0)
    assert pod.manifest["spec"]["restartPolicy"] == "OnFailure"
    pod.start_container(manifests.container(pod.manifest, "training"))
    wait_for(lambda: "failed" in {run["state"] for run in training.runs})
    wait_for(lambda: not before - training.stored)
    training.finish()
    assert not training.written - training.stored


def test_a_pod_is_told_to_end_and_its_run_says_so(training: Training) -> None:
    assert training.pod.delete() == {"training": 143}
    assert not training.written - training.stored
    (run,) = training.runs
    assert (run["state"], run["exit_code"], run["cause"]) == ("failed", 143, "SIGTERM")


def test_a_node_vanishes_and_its_run_is_called_crashed(training: Training) -> None:
    training.nodes.network.cut(0)
    training.pod.containers["training"].kill()
    training.pod.wait()
    check_killed(training.stored, training.written)
    (run,) = training.runs
    assert (run["state"], run["ended"]) == ("running", None)

    training.nodes.server.stop()
    store = open_store(str(training.nodes.folder / "processor.db"))
    (run,) = store.runs(time.time_ns() // 1000 + CRASHED_AFTER)["runs"]
    store.close()
    assert run["state"] == "crashed"
