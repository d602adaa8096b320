"""What an API server does to a new pod with a MutatingAdmissionPolicy, its binding and its parameters.

The expressions are evaluated by `cel`, the patch is applied by a JSON Patch library. It is stricter than
the real one: every variable must have a value for every pod. Nothing is invoked again.
Source: k8s.io/apiserver, pkg/admission/plugin/policy/mutating.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import jsonpatch

from .cel import Refused, evaluate

Document = dict[str, Any]

# What is asked of the API server, by the fields of a resource rule.
_REQUEST = {"apiGroups": "", "apiVersions": "v1", "operations": "CREATE", "resources": "pods"}


class Policy:
    """A policy, its binding and its parameters, as they stand in rendered manifests."""

    def __init__(self, documents: Sequence[Document]) -> None:
        kinds = {document["kind"]: document for document in documents}
        self.spec = kinds["MutatingAdmissionPolicy"]["spec"]
        self.binding = kinds["MutatingAdmissionPolicyBinding"]["spec"]
        self.params: Document | None = kinds.get("ConfigMap")
        fields = "failurePolicy reinvocationPolicy paramKind matchConstraints matchConditions variables"
        _only(self.spec, f"{fields} mutations")
        _only(self.binding, "policyName paramRef matchResources")
        _only(self.binding["paramRef"], "name namespace parameterNotFoundAction")
        name = kinds["MutatingAdmissionPolicy"]["metadata"]["name"]
        if self.binding["policyName"] != name:
            raise Refused(f"the binding is of {self.binding['policyName']}, the policy is {name}")

    def admit(self, pod: Document, namespace: Document) -> Document:
        """Return the pod as it is stored: what `mutate` says, or failurePolicy where that fails."""
        try:
            return self.mutate(pod, namespace)
        except Refused:
            if self.spec["failurePolicy"] != "Ignore":
                raise
            return decoded(pod)

    def mutate(self, pod: Document, namespace: Document) -> Document:
        """Return the pod after the mutations; the same where the policy does not hold.

        Raises:
            Refused: an expression does not compile, or has no value for this pod.
        """
        pod = decoded(pod)
        if not self.holds_in(namespace) or self._parameters() is None:
            return pod
        if not all(self.conditions(pod).values()):
            return pod
        for mutation in self.spec["mutations"]:
            _only(mutation, "patchType jsonPatch")
            pod = decoded(jsonpatch.apply_patch(pod, self.patch(pod, mutation["jsonPatch"])))
        return pod

    def holds_in(self, namespace: Document) -> bool:
        """Tell whether pods that are created in a namespace are the policy's business."""
        constraints, bound = self.spec["matchConstraints"], self.binding.get("matchResources", {})
        _only(constraints, "matchPolicy namespaceSelector resourceRules")
        _only(bound, "namespaceSelector")
        metadata = namespace["metadata"]
        labels = {"kubernetes.io/metadata.name": metadata["name"], **metadata.get("labels", {})}
        selectors = [part.get("namespaceSelector", {}) for part in (constraints, bound)]
        return any(map(_asks_for_pods, constraints["resourceRules"])) and all(
            _selects(selector, labels) for selector in selectors
        )

    def conditions(self, pod: Document) -> dict[str, bool]:
        """Return what each match condition says of a pod."""
        given = {"object": decoded(pod), "params": self._parameters()}
        found = {}
        for condition in self.spec["matchConditions"]:
            kind, value = evaluate(condition["expression"], given, {})
            if kind != "BOOL":
                raise Refused(f"{condition['name']} is {kind}, not a boolean")
            found[condition["name"]] = bool(value)
        return found

    def patch(self, pod: Document, mutation: Document) -> list[Document]:
        """Return the operations that a mutation makes of a pod."""
        given = {"object": decoded(pod), "params": self._parameters()}
        given, types = _with_variables(given, self.spec["variables"])
        kind, operations = evaluate(mutation["expression"], given, types, constructs=True)
        if kind != "LIST<JSONPatch>":
            raise Refused(f"a mutation is a list of JSONPatch, not {kind}")
        return list(operations)

    def _parameters(self) -> Document | None:
        wanted = self.binding["paramRef"]
        found = self.params
        if found and all(found["metadata"][field] == wanted[field] for field in ("name", "namespace")):
            return found
        if wanted["parameterNotFoundAction"] == "Allow":
            return None
        raise Refused("there are no parameters")


def complaints(documents: Sequence[Document], params: Document) -> list[str]:
    """Return what the ValidatingAdmissionPolicy among the documents says against a ConfigMap."""
    kinds = {document["kind"]: document for document in documents}
    spec = kinds["ValidatingAdmissionPolicy"]["spec"]
    binding = kinds["ValidatingAdmissionPolicyBinding"]["spec"]
    _only(spec, "failurePolicy matchConstraints variables validations")
    _only(spec["matchConstraints"], "matchPolicy objectSelector resourceRules")
    assert binding == {
        "policyName": kinds["ValidatingAdmissionPolicy"]["metadata"]["name"],
        "validationActions": ["Deny"],
    }
    if not _selects(spec["matchConstraints"]["objectSelector"], params["metadata"].get("labels", {})):
        return []
    given, types = _with_variables({"object": params}, spec["variables"])
    found = []
    for validation in spec["validations"]:
        _only(validation, "expression message messageExpression")
        kind, value = evaluate(validation["expression"], given, types)
        if kind != "BOOL":
            raise Refused(f"{validation['expression']} is {kind}, not a boolean")
        if not value and "message" in validation:
            found.append(validation["message"])
        elif not value:
            kind, message = evaluate(validation["messageExpression"], given, types)
            assert kind == "STRING"
            found.append(message)
    return found


def _with_variables(given: Document, variables: Sequence[Document]) -> tuple[Document, dict[str, str]]:
    types: dict[str, str] = {}
    for variable in variables:
        name = f"variables.{variable['name']}"
        types[name], value = evaluate(variable["expression"], given, types)
        given = {**given, name: value}
    return given, types


def _asks_for_pods(rule: Document) -> bool:
    _only(rule, " ".join(_REQUEST))
    return all(value in rule[field] or "*" in rule[field] for field, value in _REQUEST.items())


def _selects(selector: Document, labels: dict[str, str]) -> bool:
    _only(selector, "matchLabels matchExpressions")
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for requirement in selector.get("matchExpressions", []):
        if requirement["operator"] not in ("In", "NotIn"):
            raise NotImplementedError(requirement["operator"])
        among = labels.get(requirement["key"]) in requirement["values"]
        if among != (requirement["operator"] == "In"):
            return False
    return True


def decoded(pod: Document) -> Document:
    """Return a pod as the API server has it: what is empty is left out, quantities are text."""
    return _decoded(copy.deepcopy(pod))


def _decoded(node: Any) -> Any:
    if isinstance(node, list):
        return [_decoded(part) for part in node]
    if not isinstance(node, dict):
        return node
    found = {}
    for key, value in node.items():
        if key in ("limits", "requests"):
            found[key] = {name: str(amount) for name, amount in value.items()}
        elif key in ("labels", "annotations", "nodeSelector"):  # where "" is a value
            found[key] = value
        elif value not in (None, "", []):
            found[key] = _decoded(value)
    return found


def _only(document: Document, fields: str) -> None:
    unknown = set(document) - set(fields.split())
    if unknown:
        raise NotImplementedError(f"{', '.join(sorted(unknown))}: not simulated")
