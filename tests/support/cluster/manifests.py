"""Kubernetes manifests: rendered by the real kustomize, held to the real schemas, looked into."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from ..scripts import REPOSITORY

K8S = REPOSITORY / "k8s"
OLDEST = "1.30"
NEWEST = kubernetes_validate.latest_version()

Document = dict[str, Any]

# Kinds of which Kubernetes itself has no schema; their operators have.
CUSTOM_KINDS = {
    ("jobset.x-k8s.io/v1alpha2", "JobSet"),
    ("kubeflow.org/v1", "PyTorchJob"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
}
# Kinds that the oldest version that we promise does not have yet.
YOUNG_KINDS = {
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io/v1", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io/v1beta1", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io/v1beta1", "MutatingAdmissionPolicyBinding"),
}


def folders(kind: str = "Kustomization") -> list[Path]:
    """Return every folder below `k8s` whose kustomization is of a kind (`Component` is the other)."""
    found = [path for path in sorted(K8S.rglob("kustomization.yaml")) if _kind(path) == kind]
    return [path.parent for path in found]


def _kind(path: Path) -> str:
    return str(yaml.safe_load(path.read_text()).get("kind", "Kustomization"))


def render(folder: Path) -> list[Document]:
    """Return the documents that `kubectl kustomize` makes of a folder; skips where it cannot."""
    finished = subprocess.run([kubectl(), "kustomize", str(folder)], capture_output=True, text=True)
    assert finished.returncode == 0, f"{folder}: {finished.stderr}"
    assert not finished.stderr, f"{folder}: {finished.stderr}"
    return list(yaml.safe_load_all(finished.stdout))


@functools.cache
def kubectl() -> str:
    """Return the path of a kubectl that is new enough: 1.27, the first that has kustomize 5."""
    path = shutil.which("kubectl")
    if path is None:
        pytest.skip("kubectl is missing: apt install kubernetes-client, where that is 1.27 or newer")
    finished = subprocess.run([path, "version", "--client"], capture_output=True, text=True)
    found = re.search(r"v1\.(\d+)", finished.stdout)
    if found is None or int(found.group(1)) < 27:
        pytest.skip(f"{path} is older than 1.27, and its kustomize knows too little")
    return path


def kustomize(
    folder: Path,
    documents: Sequence[Document],
    *,
    resources: Sequence[Path] = (),
    components: Sequence[Path] = (),
    **fields: Any,
) -> list[Document]:
    """Render documents and folders in a new folder, with what else its kustomization is to say."""
    names = [f"{number}.yaml" for number in range(len(documents))]
    for name, document in zip(names, documents):
        (folder / name).write_text(yaml.safe_dump(document))
    kustomization = {
        "resources": names + _relative(resources, folder),
        "components": _relative(components, folder),
        **fields,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return render(folder)


def _relative(paths: Sequence[Path], folder: Path) -> list[str]:
    """Return paths as kustomize takes them: never absolute."""
    return [os.path.relpath(path, folder.resolve()) for path in paths]


def validate(document: Document, version: str) -> None:
    """Hold a document to the strict schema of a Kubernetes version.

    Raises:
        kubernetes_validate.ValidationError: it is not what that version takes.
        kubernetes_validate.SchemaNotFoundError: that version does not know the kind, and it is not among
            those that are known to be unknown.
    """
    kind = (document["apiVersion"], document["kind"])
    if kind in CUSTOM_KINDS:
        for template in pod_templates(document):
            pod = {"apiVersion": "v1", "kind": "Pod", **template}
            kubernetes_validate.validate(pod, version, strict=True)
    elif not (kind in YOUNG_KINDS and version == OLDEST):
        kubernetes_validate.validate(document, version, strict=True)


def pod_templates(document: Document) -> list[Document]:
    """Return what has a pod's spec in a document of any kind: the Pod, or a workload's templates."""
    return list(_templates(document))


def _templates(node: Any) -> Iterator[Document]:
    if isinstance(node, dict):
        spec = node.get("spec")
        if isinstance(spec, dict) and isinstance(spec.get("containers"), list):
            yield node
            return
    if isinstance(node, (dict, list)):
        for part in node.values() if isinstance(node, dict) else node:
            yield from _templates(part)


def containers(template: Document) -> list[Document]:
    """Return the containers of a pod or template, those that run first included."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def container(template: Document, name: str) -> Document:
    """Return the container of a name."""
    (found,) = [each for each in containers(template) if each["name"] == name]
    return dict(found)


def env(of: Document) -> dict[str, Document]:
    """Return a container's `env` by name; a name must not be there twice."""
    entries = of.get("env", [])
    by_name = {entry["name"]: entry for entry in entries}
    assert len(by_name) == len(entries), [entry["name"] for entry in entries]
    return by_name


def find(documents: Sequence[Document], kind: str, name: str | None = None) -> Document:
    """Return the one document of a kind, and of a name if there may be others."""
    (found,) = [
        document
        for document in documents
        if document["kind"] == kind and name in (None, document["metadata"]["name"])
    ]
    return found
