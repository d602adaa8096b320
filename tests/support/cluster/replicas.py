"""The processor's pods, run out of its rendered Deployment, each on a node of its own."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import yaml

from ..delivery import wait_until
from ..scripts import REPOSITORY
from .image import VENV, Image, python_without_us
from .kubelet import Kubelet, Pod
from .manifests import K8S, Document, container, find, pod_templates, render
from .nodes import Namespace

NAME = "primus-lens-telemetry-processor"
_APP = "/opt/app"


def processor_image(folder: Path) -> Image:
    """Make a stand-in for the processor's image, of this Python's packages and the working tree."""
    image = python_without_us(folder)
    command = folder / "bin" / "primus-lens-wandb"
    code = "import sys\nfrom primus_lens_wandb_exporter.cli import main\nsys.exit(main())\n"
    command.write_text(f"#!{VENV}/bin/python\n{code}")
    command.chmod(0o755)
    package = REPOSITORY / "primus_lens_wandb_exporter"
    image = image.with_files(f"{_APP}/{package.name}", package).with_env(PYTHONPATH=_APP)
    return replace(image, user=65532)


def overlay(folder: Path, variant: str, *components: str) -> list[Document]:
    """Render a variant of the processor with components, as a cluster's own overlay does it."""
    parts = {"resources": [variant], "components": components}
    fields = {
        field: [os.path.relpath(K8S / "processor" / name, folder.resolve()) for name in names]
        for field, names in parts.items()
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(fields))
    return render(folder)


def processor_template(documents: Sequence[Document]) -> Document:
    """Return the template of the processor's pods."""
    (template,) = pod_templates(find(documents, "Deployment", NAME))
    return template


class Replica:
    """A pod of the processor, and its probes."""

    def __init__(self, pod: Pod, node: Namespace) -> None:
        self.pod, self.address = pod, node.address
        self._node = node
        self._container = container(pod.manifest, "processor")
        (port,) = self._container["ports"]
        self.url = f"http://{node.address}:{port['containerPort']}"

    def probe(self, kind: str) -> bool:
        """Ask as a kubelet does; return whether it is content."""
        probe = self._container[f"{kind}Probe"]
        try:
            return self.get(probe["httpGet"]["path"], timeout=probe["timeoutSeconds"]).is_success
        except httpx.TransportError:
            return False

    def get(self, path: str, timeout: float = 30, **options: Any) -> httpx.Response:
        """Ask it something from its own node."""
        return self.request("GET", path, timeout=timeout, **options)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send it a request from its own node, on a connection of its own."""
        with (
            self._node.inside(),
            httpx.Client(base_url=self.url, trust_env=False, verify=False) as client,
        ):
            return client.request(method, path, **options)  # no certificates: loading them takes longest

    def wait_until_ready(self) -> None:
        """Wait as long as a Deployment would for its start."""
        process = self.pod.containers["processor"]
        wait_until(
            lambda: (self.probe("startup") and self.probe("readiness")) or not process.running, 60
        )
        assert process.running


@contextmanager
def replica(
    folder: Path,
    documents: Sequence[Document],
    image: Image,
    node: Namespace,
    *objects: Document,
    claims: Path | None = None,
) -> Iterator[Replica]:
    """Run one pod of the processor as long as it lasts; it is ready when it is yielded."""
    template = copy.deepcopy(processor_template(documents))
    metadata = {**template["metadata"], "generateName": f"{NAME}-", "namespace": "primus-lens"}
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    kubelet = Kubelet(
        folder,
        {NAME: image},
        [*documents, *objects],
        network=node.path,
        address=node.address,
        claims=claims,
    )
    with kubelet.run(manifest) as pod:
        one = Replica(pod, node)
        try:
            one.wait_until_ready()
        except AssertionError:
            raise AssertionError(pod.logs()) from None
        yield one
