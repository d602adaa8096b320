"""`k8s/job` on two nodes, with a processor that both can reach."""

from __future__ import annotations

import importlib.util
import re
import uuid
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from ..support.cluster import manifests
from ..support.cluster.kubelet import Pod
from ..support.cluster.logged import (
    LOG,
    Row,
    check_killed,
    recorded_rows,
    stored_rows,
    wait_for,
    written_rows,
)
from ..support.cluster.two_nodes import TwoNodes

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)

# Rank 0 goes on with its run after a restart, the others begin new ones. `KILLED` is killed, once.
RANK = """
import torch, torch.distributed as dist

dist.init_process_group("gloo")
rank, checkpoint = dist.get_rank(), "/checkpoints/step"
start = [int(open(checkpoint).read()) if os.path.exists(checkpoint) else 0]
dist.broadcast_object_list(start)
again = {"id": os.environ["WORKLOAD_UID"], "resume": "allow"} if rank == 0 else {}
run = wandb.init(project="two-nodes", name=f"rank-{rank}", group=os.environ["WORKLOAD_UID"], **again)
with open(f"/checkpoints/{run.id}.jsonl", "a", buffering=1) as record:
    for step in range(start[0], 260):
        loss = torch.tensor(float(rank))
        dist.all_reduce(loss)
        log(run, record, step, loss.item())
        if rank == 0 and step % 50 == 49:
            with open(checkpoint + ".new", "w") as file:
                file.write(str(step + 1))
            os.replace(checkpoint + ".new", checkpoint)
        if rank == KILLED and step == 220 and start == [0]:
            print("killed:", run.id, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
run.finish()
dist.destroy_process_group()
"""


class Training:
    """The Job with `RANK` on two nodes."""

    def __init__(self, nodes: TwoNodes, killed: int | None = None) -> None:
        self.nodes, self.workload = nodes, str(uuid.uuid4())
        self.records = nodes.claims / "training-checkpoints"
        documents = manifests.render(manifests.K8S / "job")
        self.job = nodes.start_job(documents, self.workload, f"KILLED = {killed}\n{LOG}{RANK}")

    def finish(self) -> list[dict[str, Any]]:
        """Wait until both pods have ended well; return the runs."""
        ended = [pod.wait(100) for pod in self.job.pods]
        assert ended == [{"training": 0}] * 2, self.logs
        return list(self.nodes.get("/runs", workload=self.workload)["runs"])

    @property
    def logs(self) -> str:
        """What the pods wrote."""
        return "".join(pod.logs() for pod in self.job.pods)

    def written(self, *runs: dict[str, Any]) -> Counter[Row]:
        """Return all points that runs say they have logged."""
        found = (written_rows(self.records / f"{run['run_id']}.jsonl") for run in runs)
        return sum(found, Counter[Row]())


def states(runs: Iterable[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """Return how many runs of each name have each state."""
    return Counter((run["name"], run["state"]) for run in runs)


FINISHED = Counter({(f"rank-{rank}", "finished"): 1 for rank in range(4)})


@pytest.mark.timeout(240)  # torch is imported by six processes, and then by four more
def test_a_rank_is_killed_and_the_job_goes_on(nodes: TwoNodes) -> None:
    training = Training(nodes, killed=3)
    runs = training.finish()
    (found,) = nodes.get("/workloads")["workloads"]
    assert (found["uid"], found["framework"]) == (training.workload, "pytorch")
    (killed_id,) = re.findall(r"killed: (\w+)", training.logs)
    (killed,) = [run for run in runs if run["run_id"] == killed_id]
    others = [run for run in runs if run is not killed]
    assert states(others) == FINISHED + Counter([("rank-1", "failed"), ("rank-2", "failed")])
    for run in runs:
        check_place(nodes, training.job.pods, run["key"], int(run["name"].removeprefix("rank-")))

    stored = stored_rows(nodes.get, training.workload)
    assert not training.written(*others) - stored
    check_killed(stored - training.written(*others), training.written(killed))
    recorded = recorded_rows([pod.volumes.path("tmp") for pod in training.job.pods])
    for run in runs:
        assert not recorded[run["run_id"]] - training.written(run)


@pytest.mark.timeout(240)  # torch is imported by six processes, and then by five more
def test_a_pod_is_told_to_end_and_one_in_its_place_goes_on(nodes: TwoNodes) -> None:
    """As when a node is drained: `torchrun` is process 1, and passes SIGTERM on."""
    training = Training(nodes)
    wait_for((training.records / "step").exists)
    (ended,) = training.job.pods[1].delete().values()
    assert ended != 137  # the grace period was long enough
    training.job.replace(1)
    runs = training.finish()
    assert states(runs) == FINISHED + Counter((f"rank-{rank}", "failed") for rank in (1, 2, 3))
    stored, written = stored_rows(nodes.get, training.workload), training.written(*runs)
    assert not written - stored
    assert sum((stored - written).values()) <= 2 * 2  # of a call each that had no time for the file


def check_place(nodes: TwoNodes, pods: list[Pod], key: str, rank: int) -> None:
    """Assert that a run tells where it is: rank, node and pod."""
    node, local_rank = divmod(rank, 2)
    run = nodes.get(f"/runs/{key}")
    told = run["evidence"]["environment"]
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "JOB_COMPLETION_INDEX", "WORLD_SIZE")
    assert [int(told[name]) for name in names] == [rank, local_rank, node, node, 4]
    assert run["host"] == f"training-{node}"
    assert [pod["pod_name"] for pod in run["pods"]] == [pods[node].name]
