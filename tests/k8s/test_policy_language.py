"""What an API server would not take in a policy, these tests would not either."""

from __future__ import annotations

import pytest

from ..support.cluster.admission import Refused
from ..support.cluster.policy_samples import pod, policy

PATCH = '[JSONPatch{op: "add", path: "/spec/volumes/-", value: %s}]'


def test_a_mutation_gives_operations_with_whole_numbers_and_with_what_is_false() -> None:
    expression = PATCH % "Object.spec.initContainers.securityContext{runAsUser: 1, privileged: false}"
    assert policy().patch(pod(), {"expression": expression}) == [
        {"op": "add", "path": "/spec/volumes/-", "value": {"runAsUser": 1, "privileged": False}}
    ]


@pytest.mark.parametrize(
    "expression",
    [
        PATCH % 'Object.spec.volumes{nme: "a"}',
        PATCH % "Object.spec.volumes{name: 1}",
        PATCH % "Object.spec.volumes.emptyDir{sizeLimit: 32}",
        PATCH % 'Object.spec.volumes{name: "a", emptyDir: Object.spec.volumes.hostPath{path: "/"}}',
        PATCH % 'Object.spec.volums{name: "a"}',
        PATCH % 'Object.spec.initContainers{command: ["a", 1]}',
        PATCH % 'Object.spec.initContainers.resources{limits: {"cpu": 1}}',
        '[JSONPatch{op: "add", pth: "/spec"}]',
        '[JSONPatch{op: "remove", path: "/spec"}, "and more"]',
        'JSONPatch{op: "remove", path: "/spec"}',
        '"remove"',
        "variables.nothing",
        "[[JSONPatch{}]].flatten()",
        "object.spec.containers.map(c, JSONPatch{path: c.nothing})",
        "request.operation == 'CREATE' ? [] : [JSONPatch{}]",
    ],
)
def test_refused_is(expression: str) -> None:
    with pytest.raises(Refused):
        policy().patch(pod(), {"expression": expression})


def test_only_a_mutation_constructs_objects() -> None:
    found = policy()
    found.spec = {**found.spec, "variables": [{"name": "a", "expression": "Object.spec.volumes{}"}]}
    with pytest.raises(Refused, match="only a mutation"):
        found.patch(pod(), {"expression": "[JSONPatch{}]"})


def test_a_condition_is_a_boolean_and_knows_no_variables() -> None:
    for expression in ("1", "variables.targets == []"):
        found = policy()
        condition = {"name": "c", "expression": expression}
        found.spec = {**found.spec, "matchConditions": [condition]}
        with pytest.raises(Refused):
            found.conditions(pod())
