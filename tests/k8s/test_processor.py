"""The processor's manifests: what they name is there, and their parts fit together and the exporter."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from primus_lens_wandb_exporter import settings as exporter
from primus_lens_wandb_exporter.processor import serve
from primus_lens_wandb_exporter.processor.settings import Settings, load

from ..support.cluster.manifests import (
    K8S,
    NEWEST,
    OLDEST,
    Document,
    container,
    containers,
    env,
    find,
    render,
    validate,
)
from ..support.cluster.replicas import NAME, overlay, processor_template
from ..support.embedded import embedded

FOLDER = K8S / "processor"
OF_LIBPQ = {"PGPASSWORD", "PGSSLROOTCERT"}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def documents(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[Document]:
    """Both variants, each with all that may be added to it, as a cluster's own overlay does it."""
    folder = tmp_path_factory.mktemp("overlay")
    return overlay(folder, request.param, "tokens", "monitoring")


def settings_of(documents: list[Document]) -> dict[str, str]:
    """Return the variables that the pods have from the ConfigMap."""
    (source,) = container(processor_template(documents), "processor")["envFrom"]
    data: dict[str, str] = find(documents, "ConfigMap", source["configMapRef"]["name"])["data"]
    return data


def selected(selector: dict[str, str], of: Document) -> bool:
    """Return whether a selector's labels are all on something."""
    return bool(selector) and selector.items() <= of["metadata"]["labels"].items()


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_with_all_its_components_it_is_what_kubernetes_takes(
    documents: list[Document], version: str
) -> None:
    for document in documents:
        validate(document, version)


def test_every_variable_is_a_setting_and_every_value_one_that_it_takes(
    documents: list[Document],
) -> None:
    known = {field.metadata["variable"] for field in fields(Settings)}
    given = settings_of(documents)
    named = env(container(processor_template(documents), "processor"))
    assert set(given) | set(named) <= known | OF_LIBPQ
    assert not set(given) & set(named)
    settings = load({name: value for name, value in given.items() if name in known})
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    assert 0 < settings.thin_after < settings.retain


def test_the_exporters_default_address_is_the_service(documents: list[Document]) -> None:
    (field,) = [f for f in fields(exporter.Settings) if f.name == "api_base_url"]
    address = urlsplit(str(field.default))
    service = find(documents, "Service")
    (port,) = service["spec"]["ports"]
    assert (address.hostname, address.port) == (service["metadata"]["name"], port["port"])
    assert (service["metadata"]["namespace"], port["name"]) == ("primus-lens", "http")


def test_whatever_names_the_processor_in_a_cluster_names_the_service() -> None:
    service = find(render(FOLDER / "sqlite"), "Service")
    (port,) = service["spec"]["ports"]
    of_service = f"http://{NAME}.{service['metadata']['namespace']}.svc:{port['port']}"
    named = {
        path.relative_to(K8S): set(re.findall(rf"http://{NAME}[\w.:-]*", path.read_text()))
        for path in K8S.rglob("*.yaml")
    }
    assert Path("pod/pod.yaml") in {path for path, addresses in named.items() if addresses}
    assert {address for addresses in named.values() for address in addresses} == {of_service}


def test_service_probes_and_monitor_name_the_port_that_is_served(
    documents: list[Document], tmp_path: Path
) -> None:
    processor = container(processor_template(documents), "processor")
    (port,) = processor["ports"]
    assert str(port["containerPort"]) == settings_of(documents)["PRIMUS_LENS_PROCESSOR_PORT"]
    (of_service,) = find(documents, "Service")["spec"]["ports"]
    (of_monitor,) = find(documents, "ServiceMonitor")["spec"]["endpoints"]
    assert of_service["targetPort"] == port["name"]
    assert of_monitor["port"] == of_service["name"]
    probes = [processor[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert {probe["port"] for probe in probes} == {port["name"]}
    assert [probe["path"] for probe in probes] == ["/health", "/health", "/ready"]
    with embedded(tmp_path) as taker:
        for path in ("/health", "/ready", of_monitor["path"]):
            assert taker.client.get(path).status_code == 200


def test_all_that_select_pods_select_the_processors(documents: list[Document]) -> None:
    template = processor_template(documents)
    deployment = find(documents, "Deployment", NAME)["spec"]
    selectors = [
        deployment["selector"]["matchLabels"],
        find(documents, "Service")["spec"]["selector"],
        find(documents, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        find(documents, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(
            constraint["labelSelector"]["matchLabels"]
            for constraint in template["spec"].get("topologySpreadConstraints", [])
        ),
    ]
    assert all(selected(selector, template) for selector in selectors)
    monitor = find(documents, "ServiceMonitor")
    assert selected(monitor["spec"]["selector"]["matchLabels"], find(documents, "Service"))


def test_a_stop_is_given_the_time_that_it_may_take(documents: list[Document]) -> None:
    sleep = 0
    for each in containers(processor_template(documents)):
        sleep = each.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    wait = float(settings_of(documents)["PRIMUS_LENS_PROCESSOR_SHUTDOWN_TIMEOUT"])
    last = serve._LAST_COMMIT + serve._LAST_LINES
    assert sleep + wait + last < processor_template(documents)["spec"]["terminationGracePeriodSeconds"]


def test_one_process_alone_writes_to_a_file_and_a_node_with_it_can_be_drained() -> None:
    documents = render(FOLDER / "sqlite")
    deployment = find(documents, "Deployment", NAME)["spec"]
    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert not [document for document in documents if document["kind"] == "HorizontalPodAutoscaler"]
    claim = find(documents, "PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    (volume,) = processor_template(documents)["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    (mount,) = container(processor_template(documents), "processor")["volumeMounts"]
    file = Path(settings_of(documents)["PRIMUS_LENS_PROCESSOR_DB"])
    assert (mount["name"], mount["mountPath"]) == (volume["name"], str(file.parent))
    budget = find(documents, "PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], "minAvailable" in budget) == (1, False)


def test_several_are_rolled_without_a_gap_and_leave_postgresql_connections_for_others() -> None:
    from primus_lens_wandb_exporter.processor.store.postgres import AT_ONCE

    documents = render(FOLDER / "postgres")
    deployment = find(documents, "Deployment", NAME)
    rolling = deployment["spec"]["strategy"]["rollingUpdate"]
    assert rolling == {"maxSurge": 1, "maxUnavailable": 0}
    assert "replicas" not in deployment["spec"]  # else each `kubectl apply` would undo the autoscaler
    scaler = find(documents, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"] == {
        "apiVersion": deployment["apiVersion"],
        "kind": "Deployment",
        "name": NAME,
    }
    assert scaler["minReplicas"] > 1
    each = AT_ONCE + 2  # one writes, one looks after the database
    assert (scaler["maxReplicas"] + rolling["maxSurge"]) * each <= 100 - 3  # PostgreSQL's defaults
