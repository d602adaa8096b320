"""What a cluster makes of an Indexed Job and its headless Service: pods, their labels and names."""

from __future__ import annotations

import copy
import uuid
from typing import Any

_INDEX = "batch.kubernetes.io/job-completion-index"


def index_pods(job: dict[str, Any], uid: str) -> list[dict[str, Any]]:
    """Return the Pods of all indexes of a Job of that uid."""
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["parallelism"] == job["spec"]["completions"]
    return [index_pod(job, uid, index) for index in range(job["spec"]["completions"])]


def index_pod(job: dict[str, Any], uid: str, index: int) -> dict[str, Any]:
    """Return a Pod of an index of a Job, with a name that none had before.

    As the Job controller makes it: https://kubernetes.io/docs/concepts/workloads/controllers/job/
    """
    template, name = copy.deepcopy(job["spec"]["template"]), job["metadata"]["name"]
    metadata, spec = template.setdefault("metadata", {}), template["spec"]
    metadata["name"] = f"{name}-{index}-{uuid.uuid4().hex[:5]}"
    metadata.setdefault("annotations", {})[_INDEX] = str(index)
    metadata.setdefault("labels", {}).update(
        {
            _INDEX: str(index),
            **{f"{prefix}job-name": name for prefix in ("", "batch.kubernetes.io/")},
            **{f"{prefix}controller-uid": uid for prefix in ("", "batch.kubernetes.io/")},
        }
    )
    spec["hostname"] = f"{name}-{index}"
    told = {"fieldRef": {"fieldPath": f"metadata.annotations['{_INDEX}']"}}
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        container.setdefault("env", []).append({"name": "JOB_COMPLETION_INDEX", "valueFrom": told})
    return {"apiVersion": "v1", "kind": "Pod", **template}


def names_of(pod: dict[str, Any], service: dict[str, Any]) -> str:
    """Return the names of a pod of a headless Service, for pods of the same namespace; empty: none."""
    labels, spec = pod["metadata"]["labels"].items(), pod["spec"]
    assert service["spec"]["clusterIP"] == "None"
    if spec.get("subdomain") != service["metadata"]["name"]:
        return ""
    if not service["spec"]["selector"].items() <= labels:
        return ""
    name = f"{spec['hostname']}.{spec['subdomain']}"
    return f"{name}.{pod['metadata'].get('namespace', 'default')}.svc.cluster.local {name}"
