"""Pods of the manifests, run as a kubelet would: what they train is at the processor, every point of it.

Their image has wandb and nothing of ours, they are a user that nobody knows, without a home or a
capability, and their root is read-only.
"""

from __future__ import annotations

import importlib.util
import json
import uuid
from pathlib import Path

import pytest

from ..support.cluster.component import injected
from ..support.cluster.controllers import pods_of
from ..support.cluster.image import Image, injector
from ..support.cluster.manifests import K8S, Document, find, render
from ..support.cluster.one_node import OneNode, recorded
from ..support.cluster.two_nodes import image_with_us
from ..support.cluster.workloads import container, pod_spec, workload
from ..support.delivery import wait_until

TRAIN = """
import os, sys
import wandb

run = wandb.init(project="pods", config={"lr": 0.1}, settings=wandb.Settings(silent=True))
for step in range(200):
    run.log({"loss": 1 / (step + 1), "nested": {"accuracy": step / 200}})
run.finish()
print("trained")
"""
WITH_TORCH = (
    """
import torch
model = torch.nn.Linear(2, 1)
"""
    + TRAIN
)
CONFIG = {"kind": "ConfigMap", "metadata": {"name": "paths"}, "data": {"PYTHONPATH": "/train/lib"}}
FROM_KEY = {"configMapKeyRef": {"name": "paths", "key": "PYTHONPATH"}}


def inject(folder: Path, document: Document) -> Document:
    """Return a workload with the component applied."""
    (found,) = injected(folder, document)
    return found


def check(node: OneNode, workload: str, folder: Path, runs: int = 1) -> None:
    """Every point that W&B recorded in a folder is there, once, and no other."""
    written = recorded(folder)
    assert sum(written.values()) == 400 * runs
    assert node.stored(workload) == written
    assert node.workloads()[workload]["runs"] == runs


FILES = {
    "train.py": "import mine\n" + TRAIN + "print(mine.WHO, sys.path[1:3])",
    "lib/mine.py": "WHO = 'mine'",
    "lib/sitecustomize.py": "print('theirs')",
}
OWN_PATH = {
    "Job": {"env": [{"name": "PYTHONPATH", "value": "/train/lib"}]},
    "CronJob": {"env": [{"name": "PYTHONPATH", "valueFrom": FROM_KEY}]},
    "JobSet": {"envFrom": [{"configMapRef": {"name": "paths"}}]},
    "PyTorchJob": {"env": [{"name": "PYTHONPATH", "value": "/train/lib"}]},
}


@pytest.mark.parametrize(("kind", "own"), OWN_PATH.items(), ids=OWN_PATH)
def test_an_injected_workload_reports_every_point_and_what_is_on_its_own_path_runs(
    kind: str, own: Document, node: OneNode, tmp_path: Path
) -> None:
    owner, name = str(uuid.uuid4()), f"training-{uuid.uuid4().hex[:5]}"
    document = {**workload(kind, pod_spec(container(**own))), "metadata": {"name": name}}
    pod = pods_of(inject(tmp_path, document), owner)[-1]
    with node.run(pod, FILES, objects=[CONFIG]) as running:
        assert running.wait() == {"train": 0}, running.logs()
        assert running.logs().splitlines() == [
            "theirs",
            "trained",
            "mine ['/primus-lens', '/train/lib']",
        ]
        uid = f"default.{name}" if kind == "PyTorchJob" else owner
        check(node, uid, running.volumes.path("tmp"))
    (run,) = node.get(f"/workloads/{uid}/runs")["runs"]
    assert (run["state"], run["config"]) == ("finished", {"lr": 0.1})


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_the_ranks_that_torchrun_starts_report_and_their_framework_is_known(
    node: OneNode, tmp_path: Path
) -> None:
    command = ["torchrun", "--standalone", "--nproc-per-node=2", "/train/train.py"]
    pod = inject(tmp_path, workload("Pod", pod_spec(container(command=command))))
    with node.run(pod, {"train.py": WITH_TORCH}) as running:
        assert running.wait() == {"train": 0}, running.logs()
        uid = running.manifest["metadata"]["uid"]
        check(node, uid, running.volumes.path("tmp"), runs=2)
    assert node.get(f"/workloads/{uid}/framework-detection")["framework"] == "pytorch"


def test_a_pod_is_asked_how_its_processes_stand_and_whether_data_arrives(
    node: OneNode, tmp_path: Path
) -> None:
    script = TRAIN.replace("run.finish()", "import time; time.sleep(100)")
    asked = ("python", "-m", "primus_lens_wandb_exporter", "stats", "--json")

    def accepted() -> list[int]:
        assert running.containers["train"].running, running.logs()
        finished = running.exec(*asked)
        assert finished.returncode == 0, finished.stderr
        return [stats["accepted"]["metrics"] for stats in json.loads(finished.stdout)]

    with node.run(inject(tmp_path, workload("Pod")), {"train.py": script}) as running:
        wait_until(lambda: accepted() == [400])
        doctor = running.exec("python", "-m", "primus_lens_wandb_exporter", "doctor")
        assert doctor.returncode == 0, doctor.stdout


@pytest.fixture(scope="module")
def without_us(node: OneNode) -> str:
    """What the pod writes that nothing was done to."""
    with node.run(workload("Pod"), {"train.py": TRAIN}) as running:
        assert running.wait() == {"train": 0}
        return running.logs()


@pytest.mark.parametrize("why", ["the volume is full", "the injector lacks files", "switched off"])
def test_a_pod_that_cannot_be_injected_trains_as_it_would_without_us(
    why: str, without_us: str, node: OneNode, tmp_path: Path, wheel: Path
) -> None:
    sample = workload("Pod")
    images: dict[str, Image] = {}
    sizes = {"primus-lens": 65536} if why == "the volume is full" else {}
    if why == "the injector lacks files":
        images["primus-lens-wandb-injector"] = broken_injector(tmp_path / "venv", wheel)
    if why == "switched off":
        off = {"name": "PRIMUS_LENS_WANDB_HOOK", "value": "false"}
        sample = workload("Pod", pod_spec(container(env=[off])))
    with node.run(inject(tmp_path, sample), {"train.py": TRAIN}, images=images, sizes=sizes) as running:
        assert running.wait() == {"train": 0}, running.logs()
        assert running.logs() == without_us == "trained\n"
        assert sum(recorded(running.volumes.path("tmp")).values()) == 400
        said = running.logs("primus-lens-inject")
        assert ("nothing was injected" in said) is (why != "switched off"), said
    assert running.manifest["metadata"]["uid"] not in node.workloads()


def broken_injector(folder: Path, wheel: Path) -> Image:
    """Make an injector's image from which the files that arm the hook are missing."""
    image = injector(folder, wheel)
    removed = list(folder.rglob("sitecustomize.py")) + list(
        folder.rglob("_primus_lens_wandb_exporter.py")
    )
    assert removed
    for path in removed:
        path.unlink()
    return image


@pytest.fixture(scope="module")
def with_wheel(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Image:
    """An image that has our wheel beside wandb, without a key for W&B."""
    image = image_with_us(tmp_path_factory.mktemp("image"), wheel)
    return image.with_env(WANDB_MODE="offline", OMP_NUM_THREADS="1")


def test_the_pod_with_the_wheel_in_its_image_reports_every_point(
    node: OneNode, with_wheel: Image
) -> None:
    (pod,) = pods_of(find(render(K8S / "pod"), "Pod"), "")
    pod["spec"]["containers"][0]["command"] = ["python", "/train/train.py"]
    with node.run(pod, {"train.py": TRAIN}, images={"training": with_wheel}) as running:
        assert running.wait() == {"training": 0}, running.logs()
        check(node, running.manifest["metadata"]["uid"], running.volumes.path("tmp"))
