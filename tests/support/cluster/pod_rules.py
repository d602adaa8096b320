"""What an API server asks of a pod: its schema and more than that, Pod Security; and its class."""

from __future__ import annotations

import functools
import json
from collections import Counter
from importlib import resources
from typing import Any

import kubernetes_validate
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

Document = dict[str, Any]

_SAFE_VOLUMES = set(
    "configMap csi downwardAPI emptyDir ephemeral persistentVolumeClaim projected secret image".split()
)


def check_pod(pod: Document, version: str) -> None:
    """Hold a pod to the strict schema of a Kubernetes version, and to what a schema cannot say.

    Raises:
        AssertionError: an API server of that version would refuse the pod.
    """
    found = [f"{error.json_path}: {error.message}" for error in _validator(version).iter_errors(pod)]
    assert not found, found
    spec = pod["spec"]
    volumes = _once(volume["name"] for volume in spec.get("volumes", []))
    containers = spec["containers"] + spec.get("initContainers", [])
    _once(container["name"] for container in containers)
    for container in containers:
        _once(mount["mountPath"] for mount in container.get("volumeMounts", []))
        for mount in container.get("volumeMounts", []):
            assert mount["name"] in volumes, f"{container['name']}: no volume {mount['name']}"
        for variable in container.get("env", []):
            assert not {"value", "valueFrom"} <= variable.keys(), f"{variable['name']}: set twice"


def _once(names: Any) -> set[str]:
    counted = Counter(names)
    twice = [name for name, number in counted.items() if number > 1]
    assert not twice, f"more than one {twice}"
    return set(counted)


@functools.cache
def _validator(version: str) -> Any:
    """Return the validator of `kubernetes-validate`, which itself reads 3 MB for every document."""
    full = next(
        name for name in (version, f"{version}.0") if _folder(name).joinpath("pod-v1.json").is_file()
    )
    folder = _folder(full)
    schema, definitions = (
        json.loads((folder / name).read_text()) for name in ("pod-v1.json", "_definitions.json")
    )
    registry: Registry[Any] = Registry()
    for document in (schema, definitions):
        registry = Resource.from_contents(document) @ registry
    return Draft202012Validator(schema, registry=registry)


def _folder(version: str) -> Any:
    package = resources.files(kubernetes_validate)
    return package / "kubernetes-json-schema" / f"v{version}-local-strict"


def check_restricted(pod: Document) -> None:
    """Hold a pod to Pod Security's profile `restricted`.

    Raises:
        AssertionError: a namespace that enforces the profile would refuse the pod.
        See https://kubernetes.io/docs/concepts/security/pod-security-standards.
    """
    spec = pod["spec"]
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        assert not spec.get(field), field
    for volume in spec.get("volumes", []):
        assert volume.keys() - {"name"} <= _SAFE_VOLUMES, volume
    general = spec.get("securityContext", {})
    for container in spec["containers"] + spec.get("initContainers", []):
        own = container.get("securityContext", {})
        name = container["name"]
        assert not own.get("privileged"), name
        assert own.get("allowPrivilegeEscalation") is False, name
        assert "ALL" in own.get("capabilities", {}).get("drop", []), name
        assert set(own.get("capabilities", {}).get("add", [])) <= {"NET_BIND_SERVICE"}, name
        assert own.get("runAsNonRoot", general.get("runAsNonRoot")) is True, name
        assert own.get("runAsUser", general.get("runAsUser")) != 0, name
        profile = own.get("seccompProfile", general.get("seccompProfile", {}))
        assert profile.get("type") in ("RuntimeDefault", "Localhost"), name
        assert not any("hostPort" in port for port in container.get("ports", [])), name


def quality_of_service(pod: Document) -> str:
    """Return Guaranteed, Burstable or BestEffort; requests that are missing are the limits."""
    spec = pod["spec"]
    compute = []
    for container in spec["containers"] + spec.get("initContainers", []):
        limits = container.get("resources", {}).get("limits", {})
        requests = {**limits, **container.get("resources", {}).get("requests", {})}
        compute.append([(limits.get(name), requests.get(name)) for name in ("cpu", "memory")])
    if all(limit and limit == request for pair in compute for limit, request in pair):
        return "Guaranteed"
    return "Burstable" if any(any(pair) for both in compute for pair in both) else "BestEffort"
