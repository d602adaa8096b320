"""The pods that a cluster's controllers make of a workload: with a name, and with their labels."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable

from .manifests import Document, pod_templates


def pods_of(workload: Document, uid: str) -> list[Document]:
    """Return a Pod of each of a workload's templates; `uid` is that of the Job or JobSet.

    A Pod is its own. Labels of kinds that are not Kubernetes' own are those of their operators' sources.
    """
    if workload["kind"] == "Pod":
        return [copy.deepcopy(workload)]
    return [_pod(workload, template, uid) for template in pod_templates(workload)]


def _pod(workload: Document, template: Document, uid: str) -> Document:
    template, name = copy.deepcopy(template), workload["metadata"]["name"]
    labels = _LABELS.get(workload["kind"], lambda name, uid: {})(name, uid)
    metadata = template.setdefault("metadata", {})
    metadata["name"] = f"{name}-{uuid.uuid4().hex[:5]}"
    metadata.setdefault("labels", {}).update(labels)
    if "namespace" in workload["metadata"]:
        metadata["namespace"] = workload["metadata"]["namespace"]
    return {"apiVersion": "v1", "kind": "Pod", **template}


def _of_job(name: str, uid: str) -> dict[str, str]:
    # https://kubernetes.io/docs/reference/labels-annotations-taints/#batchkubernetesio-controller-uid
    return {
        f"{prefix}{key}": value
        for prefix in ("", "batch.kubernetes.io/")
        for key, value in (("controller-uid", uid), ("job-name", name))
    }


def _of_jobset(name: str, uid: str) -> dict[str, str]:
    own = {"jobset-name": name, "jobset-uid": uid, "replicatedjob-name": "workers", "job-index": "0"}
    job = _of_job(f"{name}-workers-0", str(uuid.uuid4()))
    return {**job, **{f"jobset.sigs.k8s.io/{key}": value for key, value in own.items()}}


def _of_pytorchjob(name: str, uid: str) -> dict[str, str]:
    own = {"job-name": name, "operator-name": "pytorchjob-controller", "replica-index": "0"}
    return {f"training.kubeflow.org/{key}": value for key, value in own.items()}


_LABELS: dict[str, Callable[[str, str], dict[str, str]]] = {
    "CronJob": _of_job,
    "Job": _of_job,
    "JobSet": _of_jobset,
    "PyTorchJob": _of_pytorchjob,
}
