"""The kubelet of the tests does with a pod what a real one does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..support.cluster.container_env import Cluster, ConfigError, expand, make_env
from ..support.cluster.image import Image
from ..support.cluster.kubelet import Kubelet, scheduled
from ..support.cluster.pods import PodFailed
from ..support.scripts import REPOSITORY

CONFIG = {
    "kind": "ConfigMap",
    "metadata": {"name": "config"},
    "data": {"A": "from config", "file": "text"},
}
STRICT = {
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}


def pod(script: str, **more: Any) -> dict[str, Any]:
    """Return a pod with one container, which runs a script of the shell."""
    volumes = more.pop("volumes", [])
    spec = {"restartPolicy": "Never", "volumes": volumes, **more.pop("spec", {})}
    container = {"name": "main", "image": "shell", "command": ["sh", "-ec", script], **more}
    return {
        "metadata": {"name": "p", "labels": {"team": "a"}},
        "spec": {**spec, "containers": [container]},
    }


@pytest.fixture
def kubelet(tmp_path: Path) -> Kubelet:
    """A node that has an image with a shell."""
    return Kubelet(tmp_path, {"shell": Image()}, [CONFIG])


# https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "a"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$a"),
        ("$$$$(A)", "$$(A)"),
        ("x$(A)-$(A)y", "xa-ay"),
        ("$(UNDEFINED)", "$(UNDEFINED)"),
        ("$(EMPTY)", ""),
        ("$(LIKE)", "$(A)"),
        ("$(A", "$(A"),
        ("$A ${A} $", "$A ${A} $"),
        ("$()", "$()"),
    ],
)
def test_references_are_expanded_as_kubernetes_says(text: str, expected: str) -> None:
    assert expand(text, {"A": "a", "EMPTY": "", "LIKE": "$(A)"}) == expected


def env_of(container: dict[str, Any]) -> dict[str, str]:
    return make_env(container, scheduled(pod("true")), Cluster([CONFIG]))


def test_envfrom_comes_first_and_each_entry_sees_those_before_it() -> None:
    entries = [
        {"name": "EARLY", "value": "$(B)"},
        {"name": "B", "value": "b"},
        {"name": "A", "value": "own, $(A)"},
        {"name": "TEAM", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
        {"name": "BOTH", "value": "$(A), $(B), $(TEAM)"},
    ]
    found = env_of({"envFrom": [{"configMapRef": {"name": "config"}}], "env": entries})
    assert found["EARLY"] == "$(B)"
    assert found["A"] == "own, from config"
    assert found["BOTH"] == "own, from config, b, a"


def test_resources_are_told_in_units_of_the_divisor_rounded_up() -> None:
    def told(resource: str, divisor: str) -> str:
        reference = {"resource": resource, "divisor": divisor}
        entry = {"name": "X", "valueFrom": {"resourceFieldRef": reference}}
        limits = {"cpu": "1500m", "memory": "1Gi"}
        return env_of({"env": [entry], "resources": {"limits": limits}})["X"]

    assert [told("limits.cpu", "1"), told("limits.cpu", "1m")] == ["2", "1500"]
    assert [told("limits.memory", "1Mi"), told("limits.memory", "0")] == ["1024", "1073741824"]


@pytest.mark.parametrize("optional", [True, False])
def test_what_is_missing_keeps_a_container_from_being_made_unless_it_may_be(optional: bool) -> None:
    reference = {"name": "config", "key": "missing", "optional": optional}
    container = {"env": [{"name": "X", "valueFrom": {"configMapKeyRef": reference}}]}
    if optional:
        assert "X" not in env_of(container)
    else:
        with pytest.raises(ConfigError, match="missing"):
            env_of(container)


def test_a_container_is_a_user_without_rights_in_a_root_of_its_own(kubelet: Kubelet) -> None:
    script = f"""
    echo $$$$ $(id -u) $(hostname) $HOME
    grep -E 'CapBnd|NoNewPrivs' /proc/self/status
    [ ! -e {REPOSITORY} ]  # this machine's
    for file in /file /usr/file /etc/file /config/file; do
        if touch $file 2>/dev/null; then echo $file; fi
    done
    touch /data/file; cat /config/file
    """
    volumes = [{"name": "data", "emptyDir": {}}, {"name": "config", "configMap": {"name": "config"}}]
    mounts = [{"name": each["name"], "mountPath": f"/{each['name']}"} for each in volumes]
    manifest = pod(script, securityContext=STRICT, volumes=volumes, volumeMounts=mounts)
    with kubelet.run(manifest) as running:
        assert running.wait() == {"main": 0}, running.logs()
        first, bounding, privileges, *rest = running.logs().splitlines()
        number, user, *others = first.split()
        assert (number, others) == ("1", ["p", "/"])
        assert int(user) >= 1_000_000
        assert bounding.split()[1].strip("0") == ""
        assert privileges.split()[1] == "1"
        assert rest == ["text"]
        assert (running.volumes.path("data") / "file").stat().st_uid == int(user)


def test_init_containers_run_one_after_the_other_and_share_volumes(kubelet: Kubelet) -> None:
    mounts = [{"name": "data", "mountPath": "/data"}]
    first, second = (
        {
            "name": name,
            "image": "shell",
            "command": ["sh", "-c", f"echo {name} >>/data/x"],
            "volumeMounts": mounts,
        }
        for name in ("first", "second")
    )
    manifest = pod(
        "cat /data/x; ! touch /data/y",
        volumes=[{"name": "data", "emptyDir": {}}],
        volumeMounts=[{**mounts[0], "readOnly": True}],
        spec={"initContainers": [first, second]},
    )
    with kubelet.run(manifest) as running:
        assert running.wait() == {"main": 0}, running.logs()
        assert running.logs().startswith("first\nsecond\n")


def test_where_an_init_container_fails_nothing_else_starts(kubelet: Kubelet) -> None:
    failing = {"name": "failing", "image": "shell", "command": ["sh", "-c", "echo why; exit 3"]}
    manifest = pod("true", spec={"initContainers": [failing]})
    with pytest.raises(PodFailed, match="failing: 3\nwhy"), kubelet.run(manifest):
        raise AssertionError("it started")


def test_a_command_runs_in_a_container_as_its_user_and_in_its_environment(kubelet: Kubelet) -> None:
    manifest = pod("sleep 100", securityContext=STRICT, env=[{"name": "A", "value": "a b"}])
    with kubelet.run(manifest) as running:
        finished = running.exec(
            "sh", "-c", "echo $(id -u) $(hostname) $A; tr '\\0' ' ' </proc/1/cmdline"
        )
        assert finished.returncode == 0, finished.stderr
        first, command = finished.stdout.splitlines()
        assert first.split()[1:] == ["p", "a", "b"]
        assert command == "sh -ec sleep 100 "


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("trap 'exit 7' TERM; touch /tmp/ready; sleep 100 & wait", 7),
        ("touch /tmp/ready; sleep 100", 137),
    ],
    ids=["handled", "not handled, by process 1"],
)
def test_a_pod_that_is_deleted_gets_sigterm_and_later_sigkill(
    script: str, status: int, kubelet: Kubelet
) -> None:
    manifest = pod(
        script,
        volumes=[{"name": "tmp", "emptyDir": {}}],
        volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}],
        spec={"terminationGracePeriodSeconds": 1},
    )
    with kubelet.run(manifest) as running:
        while not (running.volumes.path("tmp") / "ready").exists():
            assert running.containers["main"].running, running.logs()
        assert running.delete() == {"main": status}


@pytest.mark.parametrize(
    "more",
    [
        {"lifecycle": {}, "stdin": True},
        {"volumeMounts": [{"name": "none", "mountPath": "/x"}]},
        {"image": "another"},
        {"securityContext": {"runAsUser": 0, "runAsNonRoot": True}},
    ],
    ids=["an unknown field", "no such volume", "no such image", "root, where that is refused"],
)
def test_what_cannot_be_done_as_it_says_is_refused(more: dict[str, Any], kubelet: Kubelet) -> None:
    with pytest.raises(ConfigError), kubelet.run(pod("true", **more)):
        raise AssertionError("it started")


def test_of_a_pod_that_cannot_be_made_no_volume_is_left(kubelet: Kubelet) -> None:
    volumes = [
        {"name": "memory", "emptyDir": {"medium": "Memory"}},
        {"name": "missing", "configMap": {"name": "missing"}},
    ]
    with pytest.raises(ConfigError, match="missing"), kubelet.run(pod("true", volumes=volumes)):
        raise AssertionError("it started")
    assert str(kubelet.folder) not in Path("/proc/mounts").read_text()
