"""The component that injects any workload: what it adds, and that it takes nothing away."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from ..support.container_env import Cluster, make_env
from ..support.controllers import pods_of
from ..support.kubelet import scheduled
from ..support.manifests import (
    K8S,
    NEWEST,
    OLDEST,
    Document,
    container,
    env,
    kustomize,
    pod_templates,
    validate,
)
from ..support.pod_rules import check_pod, check_restricted, quality_of_service
from ..support.policy_samples import TEAM, policy
from ..support.policy_samples import pod as gpu_pod
from ..support.workloads import KINDS, pod_spec, workload
from ..support.workloads import container as training

INJECT = K8S / "inject"
FOR_KIND = {"PyTorchJob": [INJECT / "kinds/pytorchjob-master", INJECT / "kinds/pytorchjob-worker"]}
BASE_URL = "http://primus-lens-telemetry-processor.primus-lens.svc:8080/api/v1"
CONFIG: Document = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "paths"},
    "data": {"PYTHONPATH": "/from/config", "other": "/other"},
}


def injected(folder: Path, *documents: Document, **more: Any) -> list[Document]:
    """Return workloads with the component applied, as a user's kustomization does it."""
    kinds = {document["kind"] for document in documents}
    components = [INJECT, *(part for kind in sorted(kinds & FOR_KIND.keys()) for part in FOR_KIND[kind])]
    return kustomize(folder, documents, components=components, **more)


def without_ours(spec: Document, before: Document) -> Document:
    """Return a pod's spec less what the component adds, in the form that it had before."""
    spec = copy.deepcopy(spec)
    first = spec["containers"][0]
    names = {entry["name"] for entry in before["containers"][0].get("env", [])}
    first["env"] = [entry for entry in first["env"] if entry["name"] in names]
    first["volumeMounts"] = [each for each in first["volumeMounts"] if each["name"] != "primus-lens"]
    spec["volumes"] = [each for each in spec["volumes"] if each["name"] != "primus-lens"]
    del spec["initContainers"][-1]
    for holder, field in (
        (first, "env"),
        (first, "volumeMounts"),
        (spec, "volumes"),
        (spec, "initContainers"),
    ):
        holder_before = before["containers"][0] if holder is first else before
        if field not in holder_before:
            assert not holder.pop(field)
    return spec


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gets_the_folder_and_keeps_what_it_had(kind: str, tmp_path: Path) -> None:
    sample = workload(kind, annotations={"team": "a"})
    (document,) = injected(tmp_path, sample)
    for version in (OLDEST, NEWEST):
        validate(document, version)
    assert document["metadata"] == sample["metadata"]
    templates = pod_templates(document)
    assert len(templates) == len(pod_templates(sample)) == (2 if kind == "PyTorchJob" else 1)
    for template, before in zip(templates, pod_templates(sample)):
        assert without_ours(template["spec"], before["spec"]) == before["spec"]
        pod = {"apiVersion": "v1", "kind": "Pod", **template}
        check_pod(pod, NEWEST)
        check_restricted(pod)
        assert template["spec"]["volumes"][-1] == {
            "name": "primus-lens",
            "emptyDir": {"sizeLimit": "32Mi"},
        }
        assert container(template, "train")["volumeMounts"][-1] == {
            "name": "primus-lens",
            "mountPath": "/primus-lens",
            "readOnly": True,
        }


def test_the_init_container_is_the_one_that_the_policy_adds(tmp_path: Path) -> None:
    (document,) = injected(tmp_path, workload("Pod"))
    by_policy = policy(image="primus-lens-wandb-injector").mutate(gpu_pod(), TEAM)
    assert document["spec"]["initContainers"] == by_policy["spec"]["initContainers"]


def test_a_pod_that_has_it_is_left_alone_by_the_policy(tmp_path: Path) -> None:
    limits = {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}
    (document,) = injected(tmp_path, workload("Pod", pod_spec(training(resources={"limits": limits}))))
    assert policy(pods="all").admit(document, TEAM) == document
    assert quality_of_service(document) == "Guaranteed"


def test_containers_beside_the_first_and_init_containers_stay_as_they_are(tmp_path: Path) -> None:
    proxy = {"name": "proxy", "image": "proxy", "env": [{"name": "PYTHONPATH", "value": "/proxy"}]}
    before = {"name": "download", "image": "data", "envFrom": [{"configMapRef": {"name": "paths"}}]}
    spec = pod_spec(training(), proxy, initContainers=[before])
    (document,) = injected(tmp_path, workload("Job", spec))
    (template,) = pod_templates(document)
    assert container(template, "proxy") == proxy
    assert [each["name"] for each in template["spec"]["initContainers"]] == [
        "download",
        "primus-lens-inject",
    ]
    assert container(template, "download") == before


def test_a_container_that_has_nothing_gets_all(tmp_path: Path) -> None:
    bare = {"containers": [{"name": "train", "image": "training"}]}
    (document,) = injected(tmp_path, workload("Pod", bare))
    check_pod(document, NEWEST)
    assert set(env(container(document, "train"))) == {
        "PRIMUS_LENS_API_BASE_URL",
        "POD_NAME",
        "POD_UID",
        "POD_NAMESPACE",
        "WORKLOAD_UID",
        "PYTHONPATH",
    }


def test_volumes_and_mounts_with_names_like_ours_stay(tmp_path: Path) -> None:
    mounts = [{"name": "primus-lens-output", "mountPath": "/primus-lens-output"}]
    volumes = [{"name": "primus-lens-output", "emptyDir": {}}]
    spec = pod_spec(training(volumeMounts=mounts), volumes=volumes)
    (document,) = injected(tmp_path, workload("Pod", spec))
    assert without_ours(document["spec"], spec) == spec


def environment(document: Document, uid: str = "uid-of-the-owner") -> dict[str, str]:
    """Return the variables that the first pod's training container has in a cluster."""
    pod = scheduled(pods_of(document, uid)[0])
    pod["metadata"]["uid"] = "uid-of-the-pod"
    return make_env(container(pod, "train"), pod, Cluster([CONFIG]))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Pod", "uid-of-the-pod"),
        ("Job", "uid-of-the-owner"),
        ("CronJob", "uid-of-the-owner"),
        ("JobSet", "uid-of-the-owner"),
        ("PyTorchJob", "training"),
        ("Deployment", "uid-of-the-pod"),
        ("StatefulSet", "uid-of-the-pod"),
    ],
)
def test_the_pods_of_one_job_are_one_workload(kind: str, expected: str, tmp_path: Path) -> None:
    (document,) = injected(tmp_path, workload(kind))
    found = environment(document)
    assert found["WORKLOAD_UID"] == expected
    assert found["POD_UID"] == "uid-of-the-pod"
    assert found["PRIMUS_LENS_API_BASE_URL"] == BASE_URL


FROM_CONFIG = [{"configMapRef": {"name": "paths"}}]
KEY = {"configMapKeyRef": {"name": "paths", "key": "other"}}
OWN: dict[str, Document] = {
    "nothing": {},
    "a value": {"env": [{"name": "PYTHONPATH", "value": "/app:/lib"}]},
    "an empty value": {"env": [{"name": "PYTHONPATH", "value": ""}]},
    "a value that refers to another": {
        "env": [{"name": "ROOT", "value": "/app"}, {"name": "PYTHONPATH", "value": "$(ROOT)/src"}]
    },
    "valueFrom": {"env": [{"name": "PYTHONPATH", "valueFrom": KEY}]},
    "envFrom": {"envFrom": FROM_CONFIG},
    "envFrom, and a value that hides it": {
        "envFrom": FROM_CONFIG,
        "env": [{"name": "PYTHONPATH", "value": "/app"}],
    },
    "envFrom, and a value that adds to it": {
        "envFrom": FROM_CONFIG,
        "env": [{"name": "PYTHONPATH", "value": "/app:$(PYTHONPATH)"}],
    },
    "envFrom, and valueFrom": {
        "envFrom": FROM_CONFIG,
        "env": [{"name": "PYTHONPATH", "valueFrom": KEY}],
    },
    "names that hold the name": {
        "env": [{"name": "MY_PYTHONPATH", "value": "/a"}, {"name": "PYTHONPATH_2", "value": "/b"}]
    },
    "a name that is a switch in YAML": {"env": [{"name": "NO", "value": "yes"}]},
    "a workload of its own": {
        "env": [{"name": "TEAM", "value": "a"}, {"name": "WORKLOAD_UID", "value": "$(TEAM)-1"}]
    },
    "a namespace alone": {"env": [{"name": "POD_NAMESPACE", "value": "mine"}]},
    "a name by valueFrom, which others refer to": {
        "env": [{"name": "POD_NAME", "valueFrom": KEY}, {"name": "OUT", "value": "/out/$(POD_NAME)"}]
    },
    "an address": {"env": [{"name": "PRIMUS_LENS_API_BASE_URL", "value": "http://node:8080/api/v1"}]},
}


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
def test_what_a_container_has_of_its_own_stays_and_its_path_comes_behind_ours(
    own: Document, tmp_path: Path
) -> None:
    sample = workload("Pod", pod_spec(training(**own)))
    before = environment(sample)
    (document,) = injected(tmp_path, sample)
    env(container(document, "train"))  # none is there twice
    after = environment(document)
    path = before.pop("PYTHONPATH", "")
    assert after["PYTHONPATH"] == (f"/primus-lens:{path}" if path else "/primus-lens")
    assert {name: after[name] for name in before} == before
    expected = {"POD_UID": "uid-of-the-pod", "WORKLOAD_UID": "uid-of-the-pod"}
    assert {name: after[name] for name in expected} == {
        name: before.get(name, value) for name, value in expected.items()
    }


def test_names_that_kustomize_makes_and_images_that_it_sets_arrive(tmp_path: Path) -> None:
    sample = workload("Job", pod_spec(training(envFrom=FROM_CONFIG)))
    documents = injected(
        tmp_path,
        sample,
        namePrefix="a-",
        namespace="team",
        configMapGenerator=[{"name": "paths", "literals": ["PYTHONPATH=/app"]}],
        images=[
            {"name": "primus-lens-wandb-injector", "newName": "registry.example.com/i", "newTag": "1"}
        ],
    )
    (config,) = [each for each in documents if each["kind"] == "ConfigMap"]
    (job,) = [each for each in documents if each["kind"] == "Job"]
    (template,) = pod_templates(job)
    source = container(template, "train")["envFrom"]
    assert source == [{"configMapRef": {"name": config["metadata"]["name"]}}]
    assert config["metadata"]["name"].startswith("a-paths-")
    assert container(template, "primus-lens-inject")["image"] == "registry.example.com/i:1"


def test_several_workloads_are_injected_and_all_else_stays_as_it_is(tmp_path: Path) -> None:
    job, pod = workload("Job"), {**workload("Pod"), "metadata": {"name": "other"}}
    documents = injected(tmp_path, job, CONFIG, pod)
    assert len(documents) == 3
    assert CONFIG in documents
    for document in documents:
        for template in pod_templates(document):
            assert template["spec"]["initContainers"][0]["name"] == "primus-lens-inject"
