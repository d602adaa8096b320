"""What the component promises for every pod, tried on generated ones, many in one kustomization."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ..support.cluster.component import injected
from ..support.cluster.manifests import NEWEST, Document, containers, env
from ..support.cluster.pod_rules import check_pod, quality_of_service
from ..support.properties import patient
from .test_policy_properties import OURS, environments, pods

HIDDEN = "$(PYTHONPATH)"


def applied(sample: Document, number: int) -> Document:
    """Return a generated pod as it may be applied: with a name of its own and no variable twice.

    Where PYTHONPATH comes by valueFrom, nothing refers to it; none is there without a value, or by the
    image alone, which no manifest shows, or refers to a variable, which may be empty.
    """
    for each in containers(sample):
        each["image"] = "plain"
        entries = {entry["name"]: entry for entry in each.get("env", [])}
        path = entries.get("PYTHONPATH", {"value": ""})
        for entry in entries.values():
            if HIDDEN in entry.get("value", "") and "value" not in path:
                entry["value"] = "/x"
        if path.get("value") == "$(A)":
            path["value"] = "/x"
        if path.keys() == {"name"}:
            del entries["PYTHONPATH"]
        if "env" in each:
            each["env"] = list(entries.values())
    sample["metadata"]["name"] = f"p{number}"
    return sample


def check(before: Document, after: Document) -> None:
    """Hold what became of a pod to what is promised."""
    if before["metadata"].get("annotations", {}).get("primus-lens/inject") == "false":
        assert after == before
        return
    check_pod(after, NEWEST)
    assert before["metadata"] == after["metadata"]
    assert after["spec"]["containers"][1:] == before["spec"]["containers"][1:]
    assert after["spec"]["initContainers"][:-1] == before["spec"].get("initContainers", [])
    classes = quality_of_service(before), quality_of_service(after)
    assert classes[0] == classes[1] or classes == ("BestEffort", "Burstable")
    env(after["spec"]["containers"][0])  # none is there twice
    old, new = environments(before)[0], environments(after)[0]
    path = old.pop("PYTHONPATH", "")
    expected = {f"/primus-lens:{path}"} if path else {"/primus-lens", f"/primus-lens:{HIDDEN}"}
    assert new["PYTHONPATH"] in expected
    for name, value in old.items():  # another may refer to it
        assert new[name].replace("/primus-lens:", "").replace("/primus-lens", "") == value
    assert new.keys() >= set(OURS)


@settings(patient, max_examples=4, phases=[Phase.generate], derandomize=True)
@given(st.lists(pods(), min_size=30, max_size=30))
def test_whatever_a_pod_has_stays_and_comes_behind_our_folder(
    tmp_path_factory: pytest.TempPathFactory, samples: list[Document]
) -> None:
    before = [applied(sample, number) for number, sample in enumerate(samples)]
    folder: Path = tmp_path_factory.mktemp("overlay")
    after = {each["metadata"]["name"]: each for each in injected(folder, *before)}
    for pod in before:
        check(pod, after[pod["metadata"]["name"]])
