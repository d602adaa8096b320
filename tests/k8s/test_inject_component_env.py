"""The environment that the component gives a container: what was there is there, and counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..support.cluster.component import injected
from ..support.cluster.container_env import Cluster, make_env
from ..support.cluster.controllers import pods_of
from ..support.cluster.kubelet import scheduled
from ..support.cluster.manifests import Document, container, env
from ..support.cluster.workloads import container as training
from ..support.cluster.workloads import pod_spec, workload

BASE_URL = "http://primus-lens-telemetry-processor.primus-lens.svc:8080/api/v1"
CONFIG: Document = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "paths"},
    "data": {"PYTHONPATH": "/from/config", "other": "/other"},
}
OTHERS: Document = {
    "kind": "ConfigMap",
    "metadata": {"name": "others"},
    "data": {"PATH": "/from/others"},
}
SECRETS: Document = {"kind": "Secret", "metadata": {"name": "secrets"}, "stringData": {"KEY": "secret"}}


def environment(document: Document, uid: str = "uid-of-the-owner") -> dict[str, str]:
    """Return the variables that the first pod's training container has in a cluster."""
    pod = scheduled(pods_of(document, uid)[0])
    pod["metadata"]["uid"] = "uid-of-the-pod"
    return make_env(container(pod, "train"), pod, Cluster([CONFIG, OTHERS, SECRETS]))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Pod", "uid-of-the-pod"),
        ("Job", "uid-of-the-owner"),
        ("CronJob", "uid-of-the-owner"),
        ("JobSet", "uid-of-the-owner"),
        ("PyTorchJob", "default.training"),  # its uid is in no label
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


MAYBE = "/primus-lens:$(PYTHONPATH)"


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([{"configMapRef": {"name": "others"}}], MAYBE),
        ([{"secretRef": {"name": "secrets", "optional": True}}], MAYBE),
        ([{"prefix": "X_", **FROM_CONFIG[0]}], "/primus-lens"),
        ([{"prefix": "X_", "secretRef": {"name": "secrets"}}], "/primus-lens"),
        ([{"prefix": "X_", **FROM_CONFIG[0]}, {"configMapRef": {"name": "others"}}], MAYBE),
        ([{"configMapRef": {"name": "others"}}, {"prefix": "X_", **FROM_CONFIG[0]}], MAYBE),
        ([{"prefix": "X_", **FROM_CONFIG[0]}, {"prefix": "Y_", **FROM_CONFIG[0]}], "/primus-lens"),
        ([{"prefix": "PYTHON", "configMapRef": {"name": "others"}}], "/primus-lens:/from/others"),
    ],
)
def test_only_where_envfrom_may_bring_a_path_ours_refers_to_one(
    sources: list[Document], expected: str, tmp_path: Path
) -> None:
    (document,) = injected(tmp_path, workload("Pod", pod_spec(training(envFrom=sources))))
    assert environment(document)["PYTHONPATH"] == expected
