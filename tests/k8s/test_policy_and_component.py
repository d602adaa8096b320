"""The policy and the component of `k8s/inject` are two ways to the same pod, and do not meet in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.cluster.admission import Document
from ..support.cluster.manifests import K8S, container, env, find, kustomize, pod_templates
from ..support.cluster.policy_samples import IMAGE, TEAM, env_of, pod, policy
from ..support.cluster.policy_samples import container as gpu_container

OWN = [{"name": "WANDB_MODE", "value": "offline"}, {"name": "PYTHONPATH", "value": "/lib"}]
INJECTOR = {"name": "primus-lens-wandb-injector", "newName": IMAGE.rpartition(":")[0], "newTag": "1"}
PATHS = {"configMapKeyRef": {"name": "paths", "key": "mine"}}


def by_component(workload: Document, folder: Path) -> Document:
    """Return the pod, or the template of one, that the component makes of a workload."""
    rendered = kustomize(folder, [workload], components=[K8S / "inject"], images=[INJECTOR])
    (template,) = pod_templates(find(rendered, workload["kind"]))
    return {"apiVersion": "v1", "kind": "Pod", **template}


@pytest.mark.parametrize(
    "own",
    [
        [],
        OWN,
        [{"name": "PYTHONPATH", "valueFrom": PATHS}],
        [{"name": "WORKLOAD_UID", "value": "mine"}, {"name": "POD_NAME", "value": "mine"}],
    ],
    ids=["nothing of its own", "a path", "a path from elsewhere", "an identity"],
)
def test_both_make_the_same_of_a_pod(own: list[Document], tmp_path: Path) -> None:
    sample = pod(gpu_container(env=own), metadata={"name": "sample"})
    del sample["metadata"]["generateName"]
    applied, admitted = by_component(sample, tmp_path), policy().mutate(sample, TEAM)
    for field in ("initContainers", "volumes"):
        assert applied["spec"][field] == admitted["spec"][field]
    ours, theirs = (container(each, "trainer") for each in (applied, admitted))
    assert ours["volumeMounts"] == theirs["volumeMounts"]
    assert env(ours) == env(theirs)


@pytest.mark.parametrize("kind", ["Pod", "Job"])
def test_what_the_component_has_injected_the_policy_leaves_alone(kind: str, tmp_path: Path) -> None:
    sample = pod(gpu_container(env=OWN), metadata={"name": "sample"}, restartPolicy="Never")
    del sample["metadata"]["generateName"]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "sample"},
        "spec": {"template": {"spec": sample["spec"]}},
    }
    applied = by_component(sample if kind == "Pod" else job, tmp_path)
    applied["metadata"] = {"generateName": "sample-"}
    assert "/primus-lens:/lib" in str(env_of(applied))
    assert policy().mutate(applied, TEAM) == applied
