"""Workloads as users write them: a training script, and nothing of ours."""

from __future__ import annotations

import copy
from typing import Any

from .manifests import Document


def container(**more: Any) -> Document:
    """Return a training container, as restricted as can be; `env` is added to its own."""
    env = [
        {"name": "WANDB_MODE", "value": "offline"},
        {"name": "WANDB_DIR", "value": "/tmp"},
        {"name": "WANDB_CACHE_DIR", "value": "/tmp"},
    ]
    return {
        "name": "train",
        "image": "registry.example.com/team/training:1",
        "command": ["python", "/train/train.py"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
        **more,
        "env": [*env, *more.get("env", [])],
    }


def pod_spec(*containers: Document, **more: Any) -> Document:
    """Return the spec of a pod; without containers, of the one above."""
    return {
        "restartPolicy": "Never",
        "containers": [copy.deepcopy(each) for each in containers or (container(),)],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        **more,
    }


def _pod(spec: Document) -> Document:
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec}


def _job(spec: Document) -> Document:
    return {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": {"spec": spec}}}


def _cronjob(spec: Document) -> Document:
    job = {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": {"spec": spec}}}}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "spec": job}


def _deployment(spec: Document) -> Document:
    labels = {"app": "training"}
    template = {"metadata": {"labels": labels}, "spec": {**spec, "restartPolicy": "Always"}}
    more = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": more}


def _statefulset(spec: Document) -> Document:
    deployment = _deployment(spec)
    return {
        **deployment,
        "kind": "StatefulSet",
        "spec": {**deployment["spec"], "serviceName": "training"},
    }


def _jobset(spec: Document) -> Document:
    replicated = [
        {"name": name, "template": {"spec": {"template": {"spec": copy.deepcopy(spec)}}}}
        for name in ("leader", "workers")
    ]
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "spec": {"replicatedJobs": replicated},
    }


def _pytorchjob(spec: Document) -> Document:
    replicas = {
        name: {"replicas": 1, "restartPolicy": "Never", "template": {"spec": copy.deepcopy(spec)}}
        for name in ("Master", "Worker")
    }
    return {
        "apiVersion": "kubeflow.org/v1",
        "kind": "PyTorchJob",
        "spec": {"pytorchReplicaSpecs": replicas},
    }


_KINDS = {
    "Pod": _pod,
    "Job": _job,
    "CronJob": _cronjob,
    "Deployment": _deployment,
    "StatefulSet": _statefulset,
    "JobSet": _jobset,
    "PyTorchJob": _pytorchjob,
}
KINDS = tuple(_KINDS)


def workload(kind: str, spec: Document | None = None, **metadata: Any) -> Document:
    """Return a workload of a kind, called `training`."""
    document = _KINDS[kind](copy.deepcopy(spec) if spec else pod_spec())
    return {**document, "metadata": {"name": "training", **metadata}}
