"""What the policy promises for every pod, tried on generated ones."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ..support.cluster.admission import Document, decoded
from ..support.cluster.container_env import Cluster, make_env
from ..support.cluster.manifests import NEWEST
from ..support.cluster.pod_rules import check_pod, quality_of_service
from ..support.cluster.policy_samples import TEAM, policy

OURS = ["PYTHONPATH", "WORKLOAD_UID", "POD_NAME", "POD_UID", "POD_NAMESPACE", "PRIMUS_LENS_API_BASE_URL"]
# What images set, and the parameter that says so.
IMAGES = {
    "plain": {},
    "localhost:5000/nemo:1": {"PYTHONPATH": "/tagged"},
    "localhost:5000/nemo:2": {"PYTHONPATH": "/any:"},
    "localhost:5000/nemo:2@sha256:0": {"PYTHONPATH": "/any:"},
}
LINES = "localhost:5000/nemo /any:\nlocalhost:5000/nemo:1 /tagged\n"
CLUSTER = Cluster(
    [
        {"kind": "ConfigMap", "metadata": {"name": "some"}, "data": {"A": "a", "PYTHONPATH": "/some"}},
        {"kind": "ConfigMap", "metadata": {"name": "none"}, "data": {}},
    ]
)

names = st.sampled_from([*OURS, "A", "B", "PATH"])
values = st.sampled_from(["", "/x", "/x:/y", "$(A)", "$(PYTHONPATH)/lib", "$$(A)", '"\\', "ä"])
references = st.sampled_from(
    [
        {"fieldRef": {"fieldPath": "metadata.name"}},
        {"configMapKeyRef": {"name": "some", "key": "PYTHONPATH"}},
    ]
)
variables = st.one_of(
    st.builds(lambda name, value: {"name": name, "value": value}, names, values),
    st.builds(lambda name, source: {"name": name, "valueFrom": source}, names, references),
    st.builds(lambda name: {"name": name}, names),
)
sources = st.builds(
    lambda name, prefix: {"configMapRef": {"name": name}, **prefix},
    st.sampled_from(["some", "none"]),
    st.sampled_from([{}, {"prefix": "PY"}, {"prefix": "MY_"}]),
)
resources = st.sampled_from(
    [
        {},
        {"limits": {"nvidia.com/gpu": "1"}},
        {"limits": {"cpu": "1", "memory": "1Gi", "amd.com/gpu": "8"}},
        {"limits": {"nvidia.com/gpu": "0"}},
        {"claims": [{"name": "device"}]},
    ]
)


@st.composite
def pods(draw: st.DrawFn) -> Document:
    number = draw(st.integers(1, 4))
    containers = [draw(_containers(f"c{place}")) for place in range(number)]
    init = [draw(_containers(f"i{place}")) for place in range(draw(st.integers(0, 2)))]
    spec: Document = {"containers": containers, "volumes": [{"name": "data", "emptyDir": {}}]}
    if init:
        spec["initContainers"] = init
    metadata: Document = {"name": "p", "uid": "u", "namespace": "team"}
    said = draw(st.sampled_from([None, "true", "false", "", "yes"]))
    if said is not None:
        metadata["annotations"] = {"primus-lens/inject": said}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@st.composite
def _containers(draw: st.DrawFn, name: str) -> Document:
    image = draw(st.sampled_from([*IMAGES]))
    found: Document = {"name": name, "image": image, "resources": draw(resources)}
    for field, items in (("env", variables), ("envFrom", sources)):
        if draw(st.booleans()):
            found[field] = draw(st.lists(items, max_size=6))
    if draw(st.booleans()):
        found["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    return found


def environments(pod: Document) -> list[dict[str, str]]:
    return [
        {**IMAGES[container["image"]], **make_env(container, pod, CLUSTER)}
        for container in pod["spec"]["containers"]
    ]


tried = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@tried
@given(pods())
def test_the_pod_is_still_valid_of_its_class_and_not_changed_again(sample: Document) -> None:
    mutated = policy(settings="none").mutate(sample, TEAM)
    for version in ("1.34", NEWEST):
        check_pod(mutated, version)
    before, after = quality_of_service(sample), quality_of_service(mutated)
    assert after == before or (before, after) == ("BestEffort", "Burstable")
    assert policy(settings="none").mutate(mutated, TEAM) == mutated


@tried
@given(pods())
def test_all_that_was_there_is_there_unchanged(sample: Document) -> None:
    before = decoded(sample)
    after = policy().mutate(sample, TEAM)
    spec = after["spec"]
    spec["volumes"] = _without(spec["volumes"], "primus-lens")
    spec["initContainers"] = _without(spec.get("initContainers", []), "primus-lens-inject")
    for old, new in zip(before["spec"]["containers"], spec["containers"]):
        new["volumeMounts"] = _without(new.get("volumeMounts", []), "primus-lens")
        new["env"] = _same_env(old.get("env", []), new.get("env", []))
    assert decoded(after) == before


def _without(items: list[Document], name: str) -> list[Document]:
    return [item for item in items if item["name"] != name]


def _same_env(old: list[Document], new: list[Document]) -> list[Document]:
    """Return `old` if `new` has all of it in order; its PYTHONPATH may have another value or name."""
    kept = iter(new)
    for entry in old:
        assert any(_is(entry, candidate) for candidate in kept), entry
    rest = [entry["name"] for entry in kept]
    assert set(rest) <= {*OURS}
    assert len(set(rest)) == len(rest)
    return old


def _is(old: Document, new: Document) -> bool:
    renamed = {**old, "name": "PRIMUS_LENS_WANDB_PYTHONPATH"}
    in_front = "/primus-lens" + (f":{old['value']}" if old.get("value") else "")
    changed = {"name": "PYTHONPATH", "value": in_front}
    return new == old or (old["name"] == "PYTHONPATH" and new in (renamed, changed))


@tried
@given(pods())
def test_the_containers_see_what_they_saw_and_our_folder_in_front(sample: Document) -> None:
    mutated = policy(image_pythonpath=LINES).mutate(sample, TEAM)
    injected = mutated != decoded(sample)
    seen = list(zip(environments(decoded(sample)), environments(mutated)))
    gained = [old != new for old, new in seen]
    assert any(gained) == injected
    for old, new in seen:
        if old == new:
            continue
        assert new["PYTHONPATH"].split(":")[0] == "/primus-lens"
        if old.get("PYTHONPATH"):
            assert f":{old['PYTHONPATH']}:" in f"{new['PYTHONPATH']}:"
        for name, value in old.items():
            if name != "PYTHONPATH":  # but another may refer to it
                assert re.sub("/primus-lens:?", "", new[name]) == value
        assert set(OURS) <= new.keys()
