"""Every folder below `k8s` that kubectl takes: Kubernetes takes what it renders, and its parts fit."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..support.cluster.controllers import pods_of
from ..support.cluster.manifests import (
    K8S,
    NEWEST,
    OLDEST,
    Document,
    containers,
    env,
    find,
    folders,
    kustomize,
    pod_templates,
    render,
    validate,
)
from ..support.cluster.pod_rules import check_pod, check_restricted
from ..support.cluster.workloads import KINDS, workload

BASES = [folder for folder in folders() if folder.name != "steps"]  # those are kustomize's own
COMPONENTS = folders("Component")
WORKLOADS = [workload(kind) for kind in KINDS]
# What a component is for: folders, or workloads of users (with the component that it adds to).
FOR_FOLDERS = {
    "inject": ["pod", "job"],
    "policy/v1beta1": ["policy"],
    "processor/monitoring": ["processor/sqlite", "processor/postgres"],
    "processor/tokens": ["processor/sqlite", "processor/postgres"],
}
FOR_WORKLOADS = {
    "inject": [],
    **{
        f"inject/kinds/{kind}": ["inject"]
        for kind in ("jobset-second", "pytorchjob-master", "pytorchjob-worker")
    },
}
PARTS = {  # of inject
    "inject/added",
    *(f"inject/kinds/{kind}" for kind in ("pod", "job", "cronjob", "template", "jobset")),
}
VERSIONS = {"policy/v1beta1": ("1.34", "1.35")}  # of Kubernetes, where it is not for all


def name(folder: Path) -> str:
    return str(folder.relative_to(K8S))


@functools.cache
def rendered(base: Path) -> tuple[Document, ...]:
    return tuple(render(base))


def with_component(folder: Path, scratch: Path) -> Iterator[list[Document]]:
    """Yield what a component makes of each thing that it is for."""
    if name(folder) in FOR_WORKLOADS:
        before = [K8S / other for other in FOR_WORKLOADS[name(folder)]]
        yield kustomize(scratch, WORKLOADS, components=[*before, folder])
    for number, base in enumerate(FOR_FOLDERS.get(name(folder), [])):
        place = scratch / str(number)
        place.mkdir()
        yield kustomize(place, [], resources=[K8S / base], components=[folder])


def check(documents: list[Document], versions: tuple[str, ...] = (OLDEST, NEWEST)) -> None:
    """Hold documents to the schemas and to each other."""
    told = [
        (each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in documents
    ]
    assert len(set(told)) == len(told)
    for document in documents:
        for version in versions:
            validate(document, version)
        for pod in pods_of(document, "uid") if pod_templates(document) else []:
            check_pod(pod, NEWEST)
            check_restricted(pod)
            check_containers(pod)
    check_services(documents)
    check_references(documents)


def check_containers(pod: Document) -> None:
    """Hold containers to what goes beyond Pod Security's restricted profile."""
    ports: set[Any] = set()
    for container in containers(pod):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, container["name"]
        env(container)  # none is there twice
        ports |= {port[key] for port in container.get("ports", []) for key in ("name", "containerPort")}
        for kind in ("startup", "liveness", "readiness"):
            probe = container.get(f"{kind}Probe", {}).get("httpGet")
            assert probe is None or probe["port"] in ports, (container["name"], kind)
        if "primus-lens" in container["image"] or container["name"] == "training":
            assert set(container["resources"]) == {"requests", "limits"}
            assert "memory" in container["resources"]["limits"]
            assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    mounted = {mount["name"] for each in containers(pod) for mount in each.get("volumeMounts", [])}
    assert mounted == {volume["name"] for volume in pod["spec"].get("volumes", [])}


def check_services(documents: list[Document]) -> None:
    """Each Service selects a pod, which has the port that the Service sends requests to."""
    pods = [pod for each in documents if pod_templates(each) for pod in pods_of(each, "uid")]
    for service in documents:
        if service["kind"] != "Service":
            continue
        selector = service["spec"]["selector"].items()
        (pod,) = [each for each in pods if selector <= each["metadata"]["labels"].items()]
        ports = [port for container in containers(pod) for port in container.get("ports", [])]
        known = {port[key] for port in ports for key in ("name", "containerPort")}
        for port in service["spec"]["ports"]:
            assert port.get("targetPort", port["port"]) in known
            assert port["name"]


def check_references(documents: list[Document]) -> None:
    """What pods refer to is there, or theirs who use it to make: a Secret, never one of ours."""
    there = {(each["kind"], each["metadata"]["name"]) for each in documents}
    for document in documents:
        for template in pod_templates(document):
            for kind, found in referred(template["spec"]):
                assert (kind, found) in there or kind == "Secret", f"{kind} {found} is missing"
    assert "Secret" not in {kind for kind, _ in there}


def referred(spec: Document) -> Iterator[tuple[str, str]]:
    """Yield kind and name of what a pod's spec refers to."""
    kinds = {"configMap": "ConfigMap", "configMapRef": "ConfigMap", "configMapKeyRef": "ConfigMap"}
    kinds |= {"secret": "Secret", "secretRef": "Secret", "secretKeyRef": "Secret"}
    keys = {**kinds, "persistentVolumeClaim": "PersistentVolumeClaim"}
    stack: list[Any] = [spec]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            for key, value in node.items():
                if key in keys and isinstance(value, dict):
                    target = value.get("name") or value.get("secretName") or value["claimName"]
                    yield keys[key], target
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    if "serviceAccountName" in spec:
        yield "ServiceAccount", spec["serviceAccountName"]


@pytest.mark.parametrize("base", BASES, ids=name)
def test_a_folder_renders_to_what_kubernetes_takes_and_its_parts_fit(base: Path) -> None:
    assert rendered(base)
    check(list(rendered(base)))


@pytest.mark.parametrize("folder", [each for each in COMPONENTS if name(each) not in PARTS], ids=name)
def test_a_component_does_so_with_what_it_is_for(folder: Path, tmp_path: Path) -> None:
    assert name(folder) in {*FOR_FOLDERS, *FOR_WORKLOADS}, "say above what it is for"
    for documents in with_component(folder, tmp_path):
        check(documents, VERSIONS.get(name(folder), (OLDEST, NEWEST)))


@pytest.mark.parametrize("base", BASES, ids=name)
def test_every_image_can_be_pinned_and_none_is_the_latest(base: Path) -> None:
    for document in rendered(base):
        for template in pod_templates(document):
            for container in containers(template):
                image = container["image"]
                _, _, tag = image.rpartition("/")[2].partition(":")
                assert tag != "latest"
                if not image.startswith("primus-lens-"):
                    assert "@sha256:" in image or tag, image


def test_a_cluster_has_its_two_images_from_one_list() -> None:
    documents = rendered(K8S / "cluster")
    listed = yaml.safe_load((K8S / "cluster/kustomization.yaml").read_text())["images"]
    templates = [template for document in documents for template in pod_templates(document)]
    run = {container["image"] for template in templates for container in containers(template)}
    injector = find(documents, "ConfigMap", "primus-lens-inject")["data"]["image"]
    names = {re.sub(r"(@sha256:.*|:[^:/]*)$", "", image) for image in (*run, injector)}
    assert names == {each["newName"] for each in listed}
