"""A pod that the policy has changed, run: what it trains arrives, under the workload of its owner."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from ..support.cluster.image import Image, injector, python_without_us
from ..support.cluster.kubelet import Kubelet
from ..support.cluster.pod_rules import check_restricted
from ..support.cluster.policy_samples import TEAM, container, pod, policy
from ..support.served import served

SCRIPT = """
import os
import mine, wandb

run = wandb.init(project="policy", config={"why": mine.WHY})
for step in range(10):
    run.log({"loss": 1 / (step + 1)}, step=step)
run.finish()
print("trained on", os.environ["PYTHONPATH"])
"""
OWNER = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "name": "training",
    "uid": "0c1b5a6e-job",
    "controller": True,
}
CAREFUL = {
    "runAsNonRoot": True,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
SAMPLE = pod(
    container(
        command=["python", "/train/train.py"],
        env=[
            {"name": "PYTHONPATH", "valueFrom": {"configMapKeyRef": {"name": "paths", "key": "mine"}}},
            {"name": "WANDB_MODE", "value": "offline"},
            {"name": "WANDB_DIR", "value": "/tmp"},
            {"name": "HOME", "value": "/tmp"},
        ],
        securityContext=CAREFUL,
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],
    ),
    metadata={"namespace": "team", "ownerReferences": [OWNER]},
    volumes=[{"name": "tmp", "emptyDir": {}}],
    restartPolicy="Never",
)
PATHS = {
    "kind": "ConfigMap",
    "metadata": {"name": "paths", "namespace": "team"},
    "data": {"mine": "/train/lib"},
}


@pytest.fixture
def training(tmp_path: Path) -> Image:
    """The image of a team: wandb, their script and their module, and nothing of ours."""
    files = tmp_path / "train"
    (files / "lib").mkdir(parents=True)
    (files / "train.py").write_text(SCRIPT)
    (files / "lib" / "mine.py").write_text('WHY = "because"\n')
    return python_without_us(tmp_path / "python").with_files("/train", files)


@pytest.mark.parametrize("path_of", ["pod", "image"])
def test_an_admitted_pod_reports_every_point_and_runs_as_its_manifest_says(
    path_of: str, tmp_path: Path, wheel: Path, training: Image
) -> None:
    sample, lines = SAMPLE, ""
    if path_of == "image":
        sample, lines = copy.deepcopy(SAMPLE), "training /train/lib"
        del sample["spec"]["containers"][0]["env"][0]
        training = training.with_env(PYTHONPATH="/train/lib")
    images = {
        "training": training,
        "primus-lens-wandb-injector": injector(tmp_path / "injector", wheel),
    }
    kubelet = Kubelet(tmp_path / "node", images, [PATHS])
    with served(tmp_path) as server:
        ours = policy(api_base_url=f"{server.url}/api/v1", image_pythonpath=lines)
        admitted = ours.mutate(sample, TEAM)
        check_restricted(admitted)
        with kubelet.run(admitted) as running:
            assert running.wait() == {"trainer": 0}, running.logs()
            assert "trained on /primus-lens:/train/lib" in running.logs()
        (workload,) = server.get("/workloads")["workloads"]
        assert (workload["uid"], workload["runs"]) == (OWNER["uid"], 1)
        points = server.get(f"/workloads/{OWNER['uid']}/metrics/data", metrics="loss")["data"]
        found = [(each["iteration"], each["value"]) for each in points]
        assert found == [(step, 1 / (step + 1)) for step in range(10)]
        (run,) = server.get(f"/workloads/{OWNER['uid']}/runs")["runs"]
        assert run["config"] == {"why": "because"}
