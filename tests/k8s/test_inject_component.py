"""The component that injects any workload: what it adds, and that it takes nothing away."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest

from ..support.cluster.component import injected
from ..support.cluster.manifests import (
    NEWEST,
    OLDEST,
    Document,
    container,
    env,
    find,
    kustomize,
    pod_templates,
    validate,
)
from ..support.cluster.pod_rules import check_pod, check_restricted, quality_of_service
from ..support.cluster.workloads import KINDS, pod_spec, workload
from ..support.cluster.workloads import container as training

CONFIG: Document = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "paths"},
    "data": {"PYTHONPATH": "/from/config", "other": "/other"},
}


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
    assert len(templates) == len(pod_templates(sample)) == (2 if kind in ("JobSet", "PyTorchJob") else 1)
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


def test_a_guaranteed_pod_stays_one(tmp_path: Path) -> None:
    limits = {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}
    sample = workload("Pod", pod_spec(training(resources={"limits": limits})))
    (document,) = injected(tmp_path, sample)
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


def test_names_that_kustomize_makes_and_images_that_it_sets_arrive(tmp_path: Path) -> None:
    sample = workload("Job", pod_spec(training(envFrom=[{"configMapRef": {"name": "paths"}}])))
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


@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_that_opts_out_stays_as_it_is(kind: str, tmp_path: Path) -> None:
    out = workload(kind, annotations={"primus-lens/inject": "false"})
    other = {
        **workload(kind),
        "metadata": {"name": "other", "annotations": {"primus-lens/inject": "true"}},
    }
    documents = injected(tmp_path, out, other)
    assert out in documents
    for template in pod_templates(find(documents, kind, "other")):
        assert template["spec"]["initContainers"]


def test_a_kind_of_another_group_stays_as_it_is(tmp_path: Path) -> None:
    task = {"name": "a", "replicas": 2, "template": {"spec": pod_spec()}}
    other = {
        "apiVersion": "batch.volcano.sh/v1alpha1",
        "kind": "Job",
        "metadata": {"name": "other"},
        "spec": {"tasks": [task]},
    }
    documents = injected(tmp_path, other, workload("Job"))
    assert other in documents
    assert len(documents) == 2


def test_kustomizations_that_have_it_can_be_put_together(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        injected(tmp_path / name, {**workload("Job"), "metadata": {"name": name}})
    documents = kustomize(tmp_path, [], resources=[tmp_path / "a", tmp_path / "b"])
    assert len(documents) == 2
    for document in documents:
        (template,) = pod_templates(document)
        assert len(template["spec"]["initContainers"]) == 1
