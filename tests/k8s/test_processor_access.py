"""Who may reach the processor, what it may reach, and where its secrets come from."""

from __future__ import annotations

import pytest

from ..support.cluster.manifests import K8S, Document, container, env, find, render
from ..support.cluster.pod_rules import check_restricted
from ..support.cluster.replicas import overlay, processor_template

FOLDER = K8S / "processor"


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def documents(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Document]:
    """Both variants, each with all that may be added to it, as a cluster's own overlay does it."""
    folder = tmp_path_factory.mktemp("overlay")
    return overlay(folder, request.param, "tokens", "monitoring")


def test_all_is_in_one_namespace_which_lets_in_none_but_restricted_pods(
    documents: list[Document],
) -> None:
    namespace = find(documents, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    check_restricted(processor_template(documents))
    others = [document for document in documents if document is not namespace]
    assert {document["metadata"]["namespace"] for document in others} == {namespace["metadata"]["name"]}


def test_whoever_may_reach_the_processor_says_so_by_a_label_and_to_its_port_alone(
    documents: list[Document],
) -> None:
    policy = find(documents, "NetworkPolicy")["spec"]
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    (rule,) = policy["ingress"]
    (port,) = container(processor_template(documents), "processor")["ports"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port["containerPort"]}]
    labels = [
        peer["namespaceSelector"]["matchLabels"] for peer in rule["from"] if "podSelector" not in peer
    ]
    assert labels == [{"primus-lens/inject": "enabled"}, {"primus-lens/reach": "enabled"}]
    assert [peer for peer in rule["from"] if "podSelector" in peer] == [{"podSelector": {}}]


@pytest.mark.parametrize(
    ("folder", "ports"),
    [("sqlite", []), ("postgres", [("UDP", 53), ("TCP", 53), ("TCP", 5432)])],
)
def test_the_processor_reaches_its_database_and_nothing_else(
    folder: str, ports: list[tuple[str, int]]
) -> None:
    egress = find(render(FOLDER / folder), "NetworkPolicy")["spec"]["egress"]
    assert [(port["protocol"], port["port"]) for rule in egress for port in rule["ports"]] == ports


def test_no_pod_has_a_token_of_kubernetes_or_variables_of_services(documents: list[Document]) -> None:
    spec = processor_template(documents)["spec"]
    account = find(documents, "ServiceAccount")
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    assert (spec["automountServiceAccountToken"], account["automountServiceAccountToken"]) == (
        False,
    ) * 2
    # A Service called primus-lens-processor would make PRIMUS_LENS_PROCESSOR_PORT of it.
    assert spec["enableServiceLinks"] is False


def test_what_is_secret_comes_from_a_secret_that_the_user_makes(documents: list[Document]) -> None:
    assert not [document for document in documents if document["kind"] == "Secret"]
    secrets = {
        volume["name"]: volume["secret"]
        for volume in processor_template(documents)["spec"]["volumes"]
        if "secret" in volume
    }
    processor = container(processor_template(documents), "processor")
    mounts = {mount["name"]: mount for mount in processor["volumeMounts"]}
    for name in secrets:
        assert mounts[name]["readOnly"]
        assert "subPath" not in mounts[name]  # what is mounted so never changes
    folder = mounts["tokens"]["mountPath"]
    assert "optional" not in secrets["tokens"]
    assert {
        name: entry["value"] for name, entry in env(processor).items() if name.endswith("_TOKEN_FILE")
    } == {
        "PRIMUS_LENS_PROCESSOR_INGEST_TOKEN_FILE": f"{folder}/ingest",
        "PRIMUS_LENS_PROCESSOR_READ_TOKEN_FILE": f"{folder}/read",
    }
    for name, entry in env(processor).items():
        if name in ("PRIMUS_LENS_PROCESSOR_DB", "PGPASSWORD"):
            assert entry["valueFrom"]["secretKeyRef"]["name"] == secrets["postgres"]["secretName"]
