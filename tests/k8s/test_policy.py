"""The policy of a labelled namespace: which pods, which of their containers, and what they get."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from ..support.cluster.admission import Document, Policy, decoded
from ..support.cluster.manifests import K8S, NEWEST, render, validate
from ..support.cluster.pod_rules import check_pod, check_restricted, quality_of_service
from ..support.cluster.policy_samples import GPU, IMAGE, TEAM, container, env_of, pod, policy

NO_GPU: Document = {}
ASKED_FOR = {"annotations": {"primus-lens/inject": "true"}}
REFUSED = {"annotations": {"primus-lens/inject": "false"}}


def limits(name: str, amount: Any = 1) -> Document:
    return {"limits": {name: amount}}


def test_a_pod_with_a_gpu_gets_an_init_container_a_volume_a_mount_and_its_identity() -> None:
    mutated = policy(image="registry.team.test/injector@sha256:0").mutate(pod(), TEAM)
    spec = mutated["spec"]
    assert mutated["metadata"] == pod()["metadata"]
    assert spec["volumes"] == [{"name": "primus-lens", "emptyDir": {"sizeLimit": "32Mi"}}]
    assert spec["initContainers"] == [
        {
            "name": "primus-lens-inject",
            "image": "registry.team.test/injector@sha256:0",
            "command": ["primus-lens-wandb", "inject", "--best-effort", "/primus-lens"],
            "resources": {
                "requests": {"cpu": "500m", "memory": "64Mi"},
                "limits": {"cpu": "500m", "memory": "64Mi"},
            },
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumeMounts": [{"name": "primus-lens", "mountPath": "/primus-lens"}],
        }
    ]
    (trainer,) = spec["containers"]
    assert trainer["volumeMounts"] == [
        {"name": "primus-lens", "mountPath": "/primus-lens", "readOnly": True}
    ]
    base = "http://primus-lens-telemetry-processor.primus-lens.svc:8080/api/v1"
    assert trainer["env"] == [
        {"name": "PYTHONPATH", "value": "/primus-lens"},
        {"name": "WORKLOAD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "PRIMUS_LENS_API_BASE_URL", "value": base},
    ]
    assert set(trainer) == {"name", "image", "resources", "volumeMounts", "env"}


@pytest.mark.parametrize(
    ("name", "labels", "holds"),
    [
        ("team", {"primus-lens/inject": "enabled"}, True),
        ("team", {"primus-lens/inject": "disabled"}, False),
        ("team", {}, False),
        ("kube-system", {"primus-lens/inject": "enabled"}, False),
        ("primus-lens", {"primus-lens/inject": "enabled"}, False),
    ],
)
def test_only_pods_of_labelled_namespaces_are_changed_and_none_of_the_systems_own(
    name: str, labels: dict[str, str], holds: bool
) -> None:
    namespace = {"metadata": {"name": name, "labels": labels}}
    assert policy().holds_in(namespace) is holds
    assert (policy().mutate(pod(), namespace) != pod()) is holds


CHANGED: dict[str, Document] = {
    "a GPU of NVIDIA": pod(),
    "a part of one": pod(container(resources=limits("nvidia.com/mig-1g.10gb"))),
    "a shared one": pod(container(resources=limits("nvidia.com/gpu.shared"))),
    "a GPU of AMD": pod(container(resources=limits("amd.com/gpu"))),
    "a part of one of AMD": pod(container(resources=limits("amd.com/cpx_nps4"))),
    "a GPU of Intel": pod(container(resources=limits("gpu.intel.com/xe"))),
    "an accelerator of Habana": pod(container(resources=limits("habana.ai/gaudi", 8))),
    "an accelerator of Google": pod(container(resources=limits("google.com/tpu", 4))),
    "an accelerator of AWS": pod(container(resources=limits("aws.amazon.com/neuroncore", 2))),
    "an accelerator of Huawei": pod(container(resources=limits("huawei.com/Ascend910", 8))),
    "a claim of a device": pod(container(resources={"claims": [{"name": "gpu"}]})),
    "a GPU in the second container": pod(container("proxy", resources=NO_GPU), container()),
    "no GPU, but asked for": pod(container(resources=NO_GPU), metadata=ASKED_FOR),
    "said to be of Linux": pod(os={"name": "linux"}),
    "another volume": pod(volumes=[{"name": "primus-lens-data", "emptyDir": {}}]),
    "another mount": pod(
        container(volumeMounts=[{"name": "data", "mountPath": "/primus-lens-data"}]),
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
    "another annotation": pod(metadata={"annotations": {"primus-lens/inject": "", "team": "a"}}),
}
LEFT_ALONE: dict[str, Document] = {
    "no GPU": pod(container(resources=NO_GPU)),
    "other resources": pod(container(resources=limits("cpu", 4))),
    "a device that is none": pod(container(resources=limits("rdma/hca", 1))),
    "a network card of NVIDIA": pod(container(resources=limits("nvidia.com/hostdev", 1))),
    "no GPU of the one named": pod(container(resources=limits("nvidia.com/gpu", 0))),
    "opted out": pod(metadata=REFUSED),
    "of Windows": pod(os={"name": "windows"}),
    "for nodes of Windows": pod(nodeSelector={"kubernetes.io/os": "windows"}),
    "a mirror of a static pod": pod(metadata={"annotations": {"kubernetes.io/config.mirror": "1"}}),
    "a volume of that name": pod(volumes=[{"name": "primus-lens", "emptyDir": {}}]),
    "a container of that name": pod(container("primus-lens-inject")),
    "an init container of that name": pod(
        initContainers=[{"name": "primus-lens-inject", "image": "injector"}]
    ),
    "something mounted there": pod(
        container(volumeMounts=[{"name": "data", "mountPath": "/primus-lens/"}]),
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
    "something below mounted there": pod(
        container(volumeMounts=[{"name": "data", "mountPath": "/primus-lens/lib"}]),
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
    "a variable that refers to its path": pod(
        container(
            env=[
                {"name": "PYTHONPATH", "value": "/app"},
                {"name": "SETTINGS", "value": "$(PYTHONPATH)/settings"},
            ]
        )
    ),
    "a command that refers to its path": pod(
        container(
            env=[{"name": "PYTHONPATH", "value": "/app"}], command=["python", "$(PYTHONPATH)/train.py"]
        )
    ),
    "an argument that refers to its path": pod(
        container(env=[{"name": "PYTHONPATH", "value": "/app"}], args=["$(PYTHONPATH)/train.py"])
    ),
    "a mount that refers to its path": pod(
        container(volumeMounts=[{"name": "data", "mountPath": "/d", "subPathExpr": "$(PYTHONPATH)"}]),
        volumes=[{"name": "data", "emptyDir": {}}],
    ),
    "that folder on its path": pod(container(env=[{"name": "PYTHONPATH", "value": "/a:/primus-lens"}])),
}


@pytest.mark.parametrize("sample", CHANGED.values(), ids=CHANGED)
def test_a_pod_is_changed_that_has(sample: Document) -> None:
    mutated = policy().mutate(sample, TEAM)
    assert mutated["spec"]["initContainers"][-1]["name"] == "primus-lens-inject"
    assert policy().mutate(mutated, TEAM) == mutated
    for version in ("1.34", NEWEST):
        check_pod(mutated, version)


@pytest.mark.parametrize("sample", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_a_pod_is_left_alone_that_has(sample: Document) -> None:
    check_pod(sample, NEWEST)
    assert policy().mutate(sample, TEAM) == decoded(sample)


def test_with_pods_all_a_pod_needs_no_gpu_and_may_still_opt_out() -> None:
    everyone = policy(pods="all")
    assert everyone.mutate(pod(container(resources=NO_GPU)), TEAM)["spec"]["initContainers"]
    refusing = pod(container(resources=NO_GPU), metadata=REFUSED)
    assert everyone.mutate(refusing, TEAM) == decoded(refusing)


@pytest.mark.parametrize(
    ("resources", "injected"),
    [
        ([GPU, NO_GPU, GPU], [True, False, True]),
        ([NO_GPU, {"claims": [{"name": "gpu"}]}, NO_GPU], [False, True, False]),
        ([NO_GPU, limits("cpu", 2)], [True, True]),
    ],
)
def test_the_containers_with_a_gpu_are_changed_and_all_where_none_has_one(
    resources: list[Document], injected: list[bool]
) -> None:
    containers = [container(f"c{place}", resources=each) for place, each in enumerate(resources)]
    sample = pod(*containers, metadata=ASKED_FOR)
    mutated = policy().mutate(sample, TEAM)
    assert ["env" in each for each in mutated["spec"]["containers"]] == injected
    assert ["volumeMounts" in each for each in mutated["spec"]["containers"]] == injected


def test_init_containers_and_native_sidecars_come_first_and_are_as_they_were() -> None:
    before = [
        {"name": "download", "image": "data", "env": [{"name": "A", "value": "1"}]},
        {"name": "proxy", "image": "proxy", "restartPolicy": "Always"},
    ]
    mutated = policy().mutate(pod(initContainers=before), TEAM)
    assert mutated["spec"]["initContainers"][:2] == before
    assert [each["name"] for each in mutated["spec"]["initContainers"]][2:] == ["primus-lens-inject"]


def test_a_pod_that_keeps_to_the_restricted_profile_still_does() -> None:
    careful: Document = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for sample in (
        pod(container(securityContext=careful)),
        pod(container(securityContext={**careful, "runAsUser": 1000}), securityContext={"runAsUser": 1}),
    ):
        check_restricted(sample)
        check_restricted(policy().mutate(sample, TEAM))
        check_restricted(policy(user=None).mutate(sample, TEAM))


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({"cpu": "8", "memory": "64Gi", "nvidia.com/gpu": "1"}, "Guaranteed"),
        ({"memory": "64Gi", "nvidia.com/gpu": "1"}, "Burstable"),
    ],
)
def test_the_quality_of_service_of_a_pod_stays(resources: Document, quality: str) -> None:
    sample = pod(container(resources={"limits": resources}))
    assert quality_of_service(sample) == quality_of_service(policy().mutate(sample, TEAM)) == quality


def test_the_resources_and_the_user_of_the_init_container_are_the_platforms_to_say() -> None:
    (ours,) = policy(cpu="1", memory="1Gi", user="1234").mutate(pod(), TEAM)["spec"]["initContainers"]
    assert ours["resources"]["requests"] == ours["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert ours["securityContext"]["runAsUser"] == ours["securityContext"]["runAsGroup"] == 1234
    (ours,) = policy(user=None).mutate(pod(), TEAM)["spec"]["initContainers"]
    assert not {"runAsUser", "runAsGroup"} & ours["securityContext"].keys()


def test_a_token_and_further_switches_come_from_the_namespace_of_the_pod_and_may_be_missing() -> None:
    sample = pod(container(envFrom=[{"secretRef": {"name": "own"}}]))
    mutated = policy(token_secret="telemetry", settings="switches").mutate(sample, TEAM)
    token = {"secretKeyRef": {"name": "telemetry", "key": "token", "optional": True}}
    assert {"name": "PRIMUS_LENS_WANDB_TOKEN", "valueFrom": token} in env_of(mutated)
    assert mutated["spec"]["containers"][0]["envFrom"] == [
        {"configMapRef": {"name": "switches", "optional": True}},  # the first yields to what follows
        {"secretRef": {"name": "own"}},
    ]
    own = pod(container(env=[{"name": "PRIMUS_LENS_WANDB_TOKEN_FILE", "value": "/token"}]))
    mutated = policy(token_secret="telemetry").mutate(own, TEAM)
    assert not any(entry["name"] == "PRIMUS_LENS_WANDB_TOKEN" for entry in env_of(mutated))


@pytest.mark.parametrize(
    "data",
    [
        {"image": None},
        {"image": "primus-lens-wandb-injector"},
        {"image": "registry.example.com/primus-lens/primus-lens-wandb-injector:0"},
        {"api_base_url": None},
        {"gpu_resources": "("},
        {"user": "nobody"},
        {"user": "99999999999"},
        {"cpu": "-1"},
        {"memory": "64 MiB"},
        {"settings": "Not_A_Name"},
        {"image": f"{IMAGE} "},
    ],
    ids=[
        "no image",
        "an image of no registry",
        "an image of the example's registry",
        "no base URL",
        "no regular expression",
        "a user that is no number",
        "a user that cannot be",
        "less than nothing",
        "an amount that is none",
        "a name that cannot be",
        "an image with a blank",
    ],
)
def test_parameters_that_make_no_sense_keep_no_pod_from_starting(data: dict[str, str | None]) -> None:
    assert policy(**data).admit(pod(), TEAM) == pod()


@pytest.mark.parametrize("folder", ["policy", "cluster"])
def test_a_folder_whose_images_are_not_filled_in_keeps_no_pod_from_starting(folder: str) -> None:
    wanted = ("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding")
    found = Policy(
        [
            document
            for document in render(K8S / folder)
            if document["kind"] in wanted or document["metadata"]["name"] == "primus-lens-inject"
        ]
    )
    assert found.mutate(pod(), TEAM) == pod()


def test_without_parameters_pods_are_admitted_as_they_are() -> None:
    found = policy()
    found.params = None
    assert found.mutate(pod(), TEAM) == pod()


@pytest.mark.parametrize("version", ["1.34", "1.35"])
def test_the_component_v1beta1_is_the_same_policy_for_older_clusters(
    version: str, tmp_path: Path
) -> None:
    folder = os.path.relpath(K8S / "policy", tmp_path.resolve())  # kustomize takes no absolute path
    overlay = {"resources": [folder], "components": [f"{folder}/v1beta1"]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    documents = render(tmp_path)
    for document in documents:
        validate(document, version)
        if document["kind"].startswith("Mutating"):
            assert document["apiVersion"] == "admissionregistration.k8s.io/v1beta1"
    older = Policy(documents)
    assert (older.spec, older.binding) == (policy().spec, policy().binding)


@pytest.mark.parametrize("version", ["1.36", NEWEST])
def test_the_policy_is_one_for_clusters_that_have_it(version: str) -> None:
    documents = render(K8S / "policy")
    for document in documents:
        validate(document, version)
    found = Policy(documents)
    assert found.spec["failurePolicy"] == "Ignore"
    assert found.spec["paramKind"] == {"apiVersion": "v1", "kind": "ConfigMap"}
    assert found.binding["paramRef"]["parameterNotFoundAction"] == "Allow"
