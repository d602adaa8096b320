"""Workloads of users with `k8s/inject` applied, as their own kustomization does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .manifests import K8S, Document, kustomize

INJECT = K8S / "inject"
# What a kind needs beside it.
_MORE = {
    "JobSet": [INJECT / "kinds/jobset-second"],
    "PyTorchJob": [INJECT / "kinds/pytorchjob-master", INJECT / "kinds/pytorchjob-worker"],
}


def injected(folder: Path, *documents: Document, **fields: Any) -> list[Document]:
    """Return documents with the component applied; `fields` are more of the kustomization."""
    kinds = sorted({document["kind"] for document in documents})
    more = [component for kind in kinds for component in _MORE.get(kind, [])]
    return kustomize(folder, documents, components=[INJECT, *more], **fields)
