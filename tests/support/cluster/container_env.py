"""The environment of a container, as a kubelet makes it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

_REFERENCE = re.compile(r"\$(\$|\([^)]*\))")
_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")
_SUFFIXES = {
    "m": Decimal("0.001"),
    **{name: Decimal(1000) ** (i + 1) for i, name in enumerate("kMGTPE")},
    **{f"{name}i": Decimal(1024) ** (i + 1) for i, name in enumerate("KMGTPE")},
}


class ConfigError(Exception):
    """A container that cannot be made: `CreateContainerConfigError` in a cluster."""


class Cluster:
    """What pods may refer to: ConfigMaps and Secrets of any namespace."""

    def __init__(self, documents: list[dict[str, Any]]) -> None:
        self._documents = documents

    def data(self, kind: str, namespace: str, name: str) -> dict[str, str] | None:
        """Return the data of a ConfigMap or Secret (given as `stringData`), None where there is none."""
        for document in self._documents:
            metadata = document["metadata"]
            where = (document["kind"], metadata.get("namespace", namespace), metadata["name"])
            if where == (kind, namespace, name):
                assert kind == "ConfigMap" or not document.get("data"), "give Secrets as stringData"
                return dict(document.get("data") or document.get("stringData") or {})
        return None

    def required(self, kind: str, namespace: str, reference: Mapping[str, Any]) -> dict[str, str]:
        """Return the data of what a reference names, nothing where it is missing and may be."""
        name = reference.get("name") or reference["secretName"]
        data = self.data(kind, namespace, name)
        if data is None and not reference.get("optional"):
            raise ConfigError(f'{kind.lower()} "{name}" not found')
        return data or {}


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Expand `$(NAME)`; one that is not defined stays as it is, and `$$` is a `$`.

    The rules: https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """

    def value(found: re.Match[str]) -> str:
        if found.group(1) == "$":
            return "$"
        return variables.get(found.group(1)[1:-1], found.group(0))

    return _REFERENCE.sub(value, text)


def make_env(container: dict[str, Any], pod: dict[str, Any], cluster: Cluster) -> dict[str, str]:
    """Return a container's variables: `envFrom` first, then `env` in its order; the last of a name wins.

    As `makeEnvironmentVariables` of the kubelet does it, but for the variables of services.

    Raises:
        ConfigError: something that is referred to is missing, and is not optional.
    """
    namespace = pod["metadata"]["namespace"]
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if field in source:
                for name, value in cluster.required(kind, namespace, source[field]).items():
                    variables[source.get("prefix", "") + name] = value
    for entry in container.get("env", []):
        if entry.get("value"):
            variables[entry["name"]] = expand(entry["value"], variables)
        elif "valueFrom" in entry:
            value = _value_from(entry["valueFrom"], container, pod, cluster)
            if value is not None:
                variables[entry["name"]] = value
        else:
            variables[entry["name"]] = ""
    return variables


def _value_from(
    source: dict[str, Any], container: dict[str, Any], pod: dict[str, Any], cluster: Cluster
) -> str | None:
    ((kind, reference),) = source.items()
    if kind == "fieldRef":
        return field(pod, reference["fieldPath"])
    if kind == "resourceFieldRef":
        return resource(pod, reference, container)
    kinds = {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"}
    data = cluster.required(kinds[kind], pod["metadata"]["namespace"], reference)
    if reference["key"] not in data and not reference.get("optional"):
        raise ConfigError(f"couldn't find key {reference['key']} in {kinds[kind]} {reference['name']}")
    return data.get(reference["key"])


def field(pod: dict[str, Any], path: str) -> str:
    """Return a field of a pod as the downward API tells it; a label that it has not is empty.

    Raises:
        ConfigError: the downward API does not tell this field.
    """
    found = _SUBSCRIPT.fullmatch(path)
    if found:
        return str(pod["metadata"].get(found.group(1), {}).get(found.group(2), ""))
    if path in ("metadata.labels", "metadata.annotations"):  # in volumes only
        values = pod["metadata"].get(path.rpartition(".")[2], {})
        return "\n".join(f'{name}="{value}"' for name, value in sorted(values.items()))
    part, _, name = path.partition(".")
    known = {
        "metadata": ("name", "namespace", "uid"),
        "spec": ("nodeName", "serviceAccountName"),
        "status": ("podIP", "hostIP"),
    }
    if name not in known.get(part, ()):
        raise ConfigError(f"unsupported fieldPath: {path}")
    return str(pod[part][name])


def resource(pod: dict[str, Any], reference: dict[str, Any], container: dict[str, Any]) -> str:
    """Return a container's request or limit in units of the divisor, rounded up."""
    if "containerName" in reference:
        names = {each["name"]: each for each in pod["spec"]["containers"]}
        container = names[reference["containerName"]]
    part, _, name = reference["resource"].partition(".")
    amount = container.get("resources", {}).get(part, {}).get(name)
    if amount is None:
        raise ConfigError(f"{reference['resource']} is not set, and what a node has is not simulated")
    units = quantity(amount) / (quantity(reference.get("divisor", "1")) or 1)
    return str(units.to_integral_value(ROUND_CEILING))


def quantity(text: str | int | float) -> Decimal:
    """Return a quantity such as `100m` or `64Mi` as a number."""
    found = re.fullmatch(r"([0-9.]+)(m|[kMGTPE]|[KMGTPE]i)?", str(text))
    if found is None:
        raise ConfigError(f"no quantity: {text}")
    return Decimal(found.group(1)) * _SUFFIXES.get(found.group(2), Decimal(1))
