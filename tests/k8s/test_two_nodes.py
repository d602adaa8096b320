"""Jobs and pods on two nodes that are network namespaces, with a processor that both can reach."""

from __future__ import annotations

import importlib.util
import json
import re
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from primus_lens_wandb_exporter.processor.store import CRASHED_AFTER
from primus_lens_wandb_exporter.processor.store.location import open_store

from ..support import manifests
from ..support.delivery import wait_until
from ..support.image import Image
from ..support.kubelet import Pod
from ..support.recorded import recorded_points
from ..support.two_nodes import TwoNodes, image_with_us, two_nodes

INTERVAL = 1.0  # seconds: FLUSH_INTERVAL
Row = tuple[str, int, float]  # metric, step, value

# Every call also goes into a file: W&B's own record lacks the last ones of a process that was killed.
LOG = """
import json, os, signal, sys, time
import wandb

def log(run, record, step, loss):
    now = time.time()
    run.log({"loss": loss, "time": now}, step=step)
    record.write(json.dumps([step, loss, now]) + "\\n")
"""

# Rank 0 goes on with its run after a restart, the others begin new ones. Rank 3 is killed, once.
RANK = """
import torch, torch.distributed as dist

dist.init_process_group("gloo")
rank, checkpoint = dist.get_rank(), "/checkpoints/step"
start = [int(open(checkpoint).read()) if os.path.exists(checkpoint) else 0]
dist.broadcast_object_list(start)
again = {"id": os.environ["WORKLOAD_UID"], "resume": "allow"} if rank == 0 else {}
run = wandb.init(project="two-nodes", name=f"rank-{rank}", group=os.environ["WORKLOAD_UID"], **again)
with open(f"/checkpoints/{run.id}.jsonl", "a", buffering=1) as record:
    for step in range(start[0], 200):
        loss = torch.tensor(float(rank))
        dist.all_reduce(loss)
        log(run, record, step, loss.item())
        if rank == 0 and step % 50 == 49:
            with open(checkpoint + ".new", "w") as file:
                file.write(str(step + 1))
            os.replace(checkpoint + ".new", checkpoint)
        if rank == 3 and step == 130 and start == [0]:
            print("killed:", run.id, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.02)
run.finish()
dist.destroy_process_group()
"""

# Logs until it is told that it is enough.
ENDLESS = """
run = wandb.init(project="two-nodes")
step = 0
with open("/tmp/record.jsonl", "a", buffering=1) as record:
    while not os.path.exists("/tmp/enough"):
        log(run, record, step, 1 / (step + 1))
        step += 1
        time.sleep(0.01)
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An image with wandb and our wheel; its settings make outages short."""
    return image_with_us(tmp_path_factory.mktemp("image")).with_env(
        WANDB_MODE="offline",
        WANDB_SILENT="true",
        OMP_NUM_THREADS="1",
        PRIMUS_LENS_WANDB_FLUSH_INTERVAL=str(INTERVAL),
        PRIMUS_LENS_WANDB_REQUEST_TIMEOUT="1",
    )


@pytest.fixture
def nodes(tmp_path: Path, image: Image) -> Iterator[TwoNodes]:
    """Two nodes, on which the scripts of an image may run, and a processor."""
    with two_nodes(tmp_path, image) as nodes:
        yield nodes


def stored_rows(nodes: TwoNodes, workload: str) -> Counter[Row]:
    """Return all points that the processor has of a workload."""
    found = nodes.get(f"/workloads/{workload}/metrics/data", metrics="all", limit=100_000)
    assert not found["truncated"]
    return Counter((row["metric_name"], row["iteration"], row["value"]) for row in found["data"])


def written_rows(record: Path) -> Counter[Row]:
    """Return all points that a script says it has logged."""
    rows: Counter[Row] = Counter()
    for line in record.read_text().splitlines():
        step, loss, now = json.loads(line)
        rows.update([("loss", step, loss), ("time", step, now)])
    return rows


def check_killed(stored: Counter[Row], written: Counter[Row]) -> None:
    """Assert that a killed process lost nothing but what was younger than the interval and a second."""
    assert not stored - written  # nothing twice
    moments = {step: value for name, step, value in written if name == "time"}
    first_lost = min((step for _, step, _ in written - stored), default=max(moments))
    assert moments[first_lost] > max(moments.values()) - INTERVAL - 1


def test_a_rank_is_killed_and_the_job_goes_on(nodes: TwoNodes) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is missing: pip install torch")
    workload = str(uuid.uuid4())
    pods = nodes.start_job(manifests.render(manifests.K8S / "job"), workload, LOG + RANK)
    ended = [pod.wait(100) for pod in pods]
    logs = "".join(pod.logs() for pod in pods)
    assert ended == [{"training": 0}] * 2, logs
    (killed,) = re.findall(r"killed: (\w+)", logs)

    (found,) = nodes.get("/workloads")["workloads"]
    assert (found["uid"], found["framework"], found["runs"]) == (workload, "pytorch", 7)
    runs = nodes.get("/runs", workload=workload)["runs"]
    states = Counter((run["name"], run["state"]) for run in runs if run["run_id"] != killed)
    assert states == Counter(
        [(f"rank-{rank}", "finished") for rank in range(4)]
        + [(f"rank-{rank}", "failed") for rank in (1, 2)]
    )
    for run in runs:
        check_place(nodes, pods, run["key"], int(run["name"].removeprefix("rank-")))

    folder = nodes.claims / "training-checkpoints"
    written = {run["run_id"]: written_rows(folder / f"{run['run_id']}.jsonl") for run in runs}
    recorded = recorded_rows(pods)
    for run in runs:
        assert not recorded[run["run_id"]] - written[run["run_id"]]
        if (
            run["state"] == "finished" and run["run_id"] != workload
        ):  # whose first attempt did not finish
            assert recorded[run["run_id"]] == written[run["run_id"]]
    stored, of_killed = stored_rows(nodes, workload), written.pop(killed)
    of_others = sum(written.values(), Counter[Row]())
    assert not of_others - stored
    check_killed(stored - of_others, of_killed)


def recorded_rows(pods: Sequence[Pod]) -> dict[str, Counter[Row]]:
    """Return all points in W&B's own record, by run."""
    rows: defaultdict[str, Counter[Row]] = defaultdict(Counter)
    for pod in pods:
        for point in recorded_points(pod.volumes.path("tmp")):
            rows[point.run_id][point.name, point.step, point.value] += 1
    return rows


def check_place(nodes: TwoNodes, pods: list[Pod], key: str, rank: int) -> None:
    """Assert that a run tells where it is: rank, node and pod."""
    node, local_rank = divmod(rank, 2)
    run = nodes.get(f"/runs/{key}")
    told = run["evidence"]["environment"]
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "JOB_COMPLETION_INDEX", "WORLD_SIZE")
    assert [int(told[name]) for name in names] == [rank, local_rank, node, node, 4]
    assert run["host"] == f"training-{node}"
    assert [pod["pod_name"] for pod in run["pods"]] == [pods[node].name]


def test_a_node_is_cut_off_for_a_while_and_nothing_is_lost(nodes: TwoNodes) -> None:
    pod = nodes.start_pod(manifests.render(manifests.K8S / "pod"), LOG + ENDLESS)
    workload = pod.manifest["metadata"]["uid"]
    wait_until(lambda: stored_rows(nodes, workload))
    nodes.network.cut(0)
    wait_until(lambda: stats(pod)["errors"])
    nodes.network.mend(0)
    (pod.volumes.path("tmp") / "enough").touch()
    assert pod.wait() == {"training": 0}, pod.logs()
    assert stored_rows(nodes, workload) == written_rows(pod.volumes.path("tmp") / "record.jsonl")
    assert [run["state"] for run in nodes.get("/runs")["runs"]] == ["finished"]


def stats(pod: Pod) -> dict[str, int]:
    """Return the statistics of the process that logs in a pod."""
    finished = pod.exec("python", "-m", "primus_lens_wandb_exporter", "stats", "--json")
    assert finished.returncode == 0, finished.stderr
    (process,) = json.loads(finished.stdout)
    return dict(process)


def test_a_node_vanishes_and_its_run_is_called_crashed(nodes: TwoNodes) -> None:
    pod = nodes.start_pod(manifests.render(manifests.K8S / "pod"), LOG + ENDLESS)
    workload = pod.manifest["metadata"]["uid"]
    wait_until(lambda: any(run["host"] for run in nodes.get("/runs")["runs"]))  # it says that it began
    nodes.network.cut(0)
    pod.containers["training"].kill()
    pod.wait()
    check_killed(stored_rows(nodes, workload), written_rows(pod.volumes.path("tmp") / "record.jsonl"))
    (run,) = nodes.get("/runs")["runs"]
    assert (run["state"], run["host"], run["ended"]) == ("running", pod.name, None)

    nodes.server.stop()
    store = open_store(str(nodes.folder / "processor.db"))
    (run,) = store.runs(time.time_ns() // 1000 + CRASHED_AFTER)["runs"]
    store.close()
    assert run["state"] == "crashed"
