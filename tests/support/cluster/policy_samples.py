"""The policy of `k8s/policy` as it is rendered, and the pods and namespaces that it is tried on."""

from __future__ import annotations

import functools
from typing import Any

from .admission import Document, Policy
from .manifests import K8S, render

TEAM: Document = {"metadata": {"name": "team", "labels": {"primus-lens/inject": "enabled"}}}
IMAGE = "registry.team.test/primus-lens-wandb-injector:1"
GPU = {"limits": {"nvidia.com/gpu": "8"}}


@functools.cache
def _rendered() -> Policy:
    return Policy(render(K8S / "policy"))


def policy(**data: str | None) -> Policy:
    """Return the policy with an image, and other parameters where they are given; None is left out."""
    found = Policy.__new__(Policy)
    found.__dict__.update(vars(_rendered()))
    assert found.params is not None
    data = {"image": IMAGE, **data}
    changed = {**found.params["data"], **{key.replace("_", "-"): data[key] for key in data}}
    kept = {key: value for key, value in changed.items() if value is not None}
    found.params = {**found.params, "data": kept}
    return found


def pod(*containers: Document, **fields: Any) -> Document:
    """Return a pod of containers, one with a GPU if none is given; `metadata` and fields of its spec."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "sample-", **fields.pop("metadata", {})},
        "spec": {"containers": list(containers) or [container()], **fields},
    }


def container(name: str = "trainer", **fields: Any) -> Document:
    """Return a container with a GPU, unless `resources` says otherwise."""
    return {"name": name, "image": "training", "resources": GPU, **fields}


def env_of(pod: Document, place: int = 0) -> list[Document]:
    """Return the `env` of a pod's container."""
    found: list[Document] = pod["spec"]["containers"][place].get("env", [])
    return found
