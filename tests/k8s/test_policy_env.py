"""The environment that the policy gives a container: what was there is there, and counts."""

from __future__ import annotations

from typing import Any

import pytest

from ..support.cluster.admission import Document
from ..support.cluster.container_env import Cluster, make_env
from ..support.cluster.policy_samples import TEAM, container, env_of, pod, policy

CLUSTER = Cluster(
    [
        {"kind": "ConfigMap", "metadata": {"name": "paths"}, "data": {"PYTHONPATH": "/shared"}},
        {"kind": "ConfigMap", "metadata": {"name": "others"}, "data": {"A": "1"}},
    ]
)
SHARED = {"configMapKeyRef": {"name": "paths", "key": "PYTHONPATH"}}
MISSING = {"configMapKeyRef": {"name": "paths", "key": "no", "optional": True}}


def mutated(*env: Document, metadata: Document | None = None, **fields: Any) -> Document:
    """Return a pod whose container had this `env`, after the policy."""
    return policy().mutate(pod(container(env=list(env), **fields), metadata=metadata or {}), TEAM)


def seen(pod: Document) -> dict[str, str]:
    """Return the variables that the container will see."""
    metadata = {"name": "sample-1", "uid": "uid-of-pod", "namespace": "team", **pod["metadata"]}
    return make_env(pod["spec"]["containers"][0], {**pod, "metadata": metadata}, CLUSTER)


def entry(name: str, value: str) -> Document:
    return {"name": name, "value": value}


@pytest.mark.parametrize(
    ("env", "env_from", "expected"),
    [
        ([], None, "/primus-lens"),
        ([entry("PYTHONPATH", "/a:/b")], None, "/primus-lens:/a:/b"),
        ([{"name": "PYTHONPATH"}], None, "/primus-lens"),
        ([entry("PYTHONPATH", "")], None, "/primus-lens"),
        ([entry("A", "/a"), entry("PYTHONPATH", "$(A)/lib")], None, "/primus-lens:/a/lib"),
        ([entry("PYTHONPATH", "/old"), entry("PYTHONPATH", "/new")], None, "/primus-lens:/new"),
        (
            [entry("PYTHONPATH", "/a"), entry("PYTHONPATH", "/b:$(PYTHONPATH)")],
            None,
            "/primus-lens:/b:/a",
        ),
        ([{"name": "PYTHONPATH", "valueFrom": SHARED}], None, "/primus-lens:/shared"),
        (
            [{"name": "PYTHONPATH", "valueFrom": MISSING}],
            None,
            "/primus-lens:$(PRIMUS_LENS_WANDB_PYTHONPATH)",
        ),
        ([], {"configMapRef": {"name": "paths"}}, "/primus-lens:/shared"),
        ([], {"configMapRef": {"name": "others"}}, "/primus-lens:$(PYTHONPATH)"),
        ([], {"configMapRef": {"name": "paths"}, "prefix": "MY_"}, "/primus-lens"),
        ([], {"configMapRef": {"name": "others"}, "prefix": "PYTHON"}, "/primus-lens:$(PYTHONPATH)"),
        (
            [entry("PYTHONPATH", "/a:$(PYTHONPATH)")],
            {"configMapRef": {"name": "paths"}},
            "/primus-lens:/a:/shared",
        ),
    ],
)
def test_our_folder_comes_in_front_of_what_was_there(
    env: list[Document], env_from: Document | None, expected: str
) -> None:
    found = mutated(*env, envFrom=[env_from] if env_from else [])
    assert seen(found)["PYTHONPATH"] == expected
    assert policy().mutate(found, TEAM) == found


def test_other_variables_stay_as_they_are_in_their_order() -> None:
    env = [
        entry("BEFORE", "$(NODE)"),
        {"name": "PYTHONPATH", "valueFrom": SHARED},
        entry("AFTER", "$(POD_NAME)"),
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
    ]
    found = env_of(mutated(*env))
    assert found[0] == env[0]
    assert found[1:3] == [
        {"name": "PRIMUS_LENS_WANDB_PYTHONPATH", "valueFrom": SHARED},
        entry("PYTHONPATH", "/primus-lens:$(PRIMUS_LENS_WANDB_PYTHONPATH)"),
    ]
    assert found[3:5] == env[2:]  # what comes later cannot change what it refers to
    names = [each["name"] for each in found[5:]]
    assert names == ["WORKLOAD_UID", "POD_NAME", "POD_UID", "POD_NAMESPACE", "PRIMUS_LENS_API_BASE_URL"]


@pytest.mark.parametrize(
    ("env", "env_from", "expected"),
    [
        ([], [], "/primus-lens:/workspace/lib:/opt/lib"),
        ([entry("PYTHONPATH", "/a")], [], "/primus-lens:/a"),
        (
            [],
            [{"configMapRef": {"name": "paths"}}],
            "/primus-lens:/shared:/workspace/lib:/opt/lib",
        ),
    ],
)
def test_what_the_image_sets_is_kept_where_an_annotation_says_it(
    env: list[Document], env_from: list[Document], expected: str
) -> None:
    metadata = {"annotations": {"primus-lens/image-pythonpath": "/workspace/lib:/opt/lib"}}
    assert seen(mutated(*env, metadata=metadata, envFrom=env_from))["PYTHONPATH"] == expected


def test_each_container_has_a_path_of_its_own() -> None:
    containers = [
        container("a"),
        container("b", env=[entry("X", "1"), {"name": "PYTHONPATH", "valueFrom": SHARED}]),
        container("c", env=[entry("X", "1"), entry("PYTHONPATH", "/c")]),
    ]
    found = policy().mutate(pod(*containers), TEAM)
    paths = [
        next(each["value"] for each in env_of(found, place) if each["name"] == "PYTHONPATH")
        for place in range(3)
    ]
    assert paths == ["/primus-lens", "/primus-lens:$(PRIMUS_LENS_WANDB_PYTHONPATH)", "/primus-lens:/c"]


OWNERS = [
    {"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "of-node"},
    {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "of-job", "controller": True},
]
JOB_SET = {"jobset.sigs.k8s.io/jobset-uid": "of-job-set"}
PLATFORM = {"platform.example.com/workload": "of-platform"}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, "uid-of-pod"),
        ({"ownerReferences": OWNERS}, "of-job"),
        ({"ownerReferences": OWNERS[:1]}, "uid-of-pod"),
        ({"ownerReferences": OWNERS, "labels": JOB_SET}, "of-job-set"),
        ({"ownerReferences": OWNERS, "labels": {**JOB_SET, **PLATFORM}}, "of-platform"),
        ({"ownerReferences": OWNERS, "annotations": PLATFORM}, "of-platform"),
    ],
)
def test_the_workload_is_the_platforms_the_job_sets_the_owners_or_the_pods(
    metadata: Document, expected: str
) -> None:
    ours = policy(workload_key="platform.example.com/workload")
    found = ours.mutate(pod(metadata=metadata), TEAM)
    assert seen(found)["WORKLOAD_UID"] == expected


def test_what_the_pod_says_of_itself_stands() -> None:
    own = [
        entry("WORKLOAD_UID", "mine"),
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['name']"}}},
        entry("POD_UID", "u"),
        entry("POD_NAMESPACE", "n"),
        entry("PRIMUS_LENS_API_BASE_URL", "http://elsewhere/api/v1"),
    ]
    assert env_of(mutated(*own, metadata={"ownerReferences": OWNERS})) == [
        *own,
        entry("PYTHONPATH", "/primus-lens"),
    ]
