"""Two nodes with a kubelet each, a processor that both reach, and an image that has our wheel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..installation import pip
from ..served import served
from . import manifests
from .image import VENV, Image, python_without_us
from .job_controller import index_pod, index_pods, names_of
from .kubelet import Kubelet, Pod
from .nodes import network

_BASE_URL = "PRIMUS_LENS_API_BASE_URL"


def image_with_us(folder: Path, wheel: Path) -> Image:
    """Make an image whose Python has all that this one has, and our wheel."""
    image = python_without_us(folder / "venv")
    pip("install", "-q", "--no-deps", wheel, python=image.folders[VENV] / "bin" / "python")
    return image


class TwoNodes:
    """Runs pods of manifests on two nodes; the processor is where the manifests say."""

    def __init__(self, stack: ExitStack, folder: Path, image: Image) -> None:
        self.folder, self.claims = folder, folder / "claims"
        self._image, self._stack = image, stack
        self.network = stack.enter_context(network(2))
        hub = self.network.hub
        with hub.inside():
            self.server = stack.enter_context(served(folder, "--host", hub.address, "--port", "8080"))

    def start_job(self, documents: Sequence[dict[str, Any]], uid: str, script: str) -> RunningJob:
        """Start the pods of a Job of that uid."""
        return RunningJob(self, documents, uid, script)

    def start_pod(self, documents: Sequence[dict[str, Any]], script: str) -> Pod:
        """Start a Pod on the first node."""
        return self.start(0, manifests.find(documents, "Pod"), script, {})

    def start(self, number: int, pod: dict[str, Any], script: str, hosts: Mapping[str, str]) -> Pod:
        """Start a Pod on a node; `hosts` are names that it can look up, beside the processor's."""
        node, name = self.network.nodes[number], pod["spec"]["containers"][0]["name"]
        base_url = manifests.env(manifests.container(pod, name))[_BASE_URL]["value"]
        address = urlsplit(base_url)
        assert address.port == 8080
        train = self.folder / "train"
        train.mkdir(exist_ok=True)
        (train / "train.py").write_text(script)
        kubelet = Kubelet(
            self.folder / f"node-{number}",
            {"training": replace(self._image.with_files("/train", train), working_dir="/train")},
            hosts={str(address.hostname): self.network.hub.address, **hosts},
            network=node.path,
            address=node.address,
            node=f"node-{number}",
            claims=self.claims,
        )
        return self._stack.enter_context(kubelet.run(pod))

    def get(self, path: str, **query: Any) -> Any:
        """Ask the processor; returns the data of its answer."""
        with self.network.hub.inside():
            return self.server.get(path, **query)


class RunningJob:
    """The pods of an Indexed Job, each on a node of its own."""

    def __init__(
        self, nodes: TwoNodes, documents: Sequence[dict[str, Any]], uid: str, script: str
    ) -> None:
        self._nodes, self._uid, self._script = nodes, uid, script
        self._job, service = (manifests.find(documents, kind) for kind in ("Job", "Service"))
        pods = index_pods(self._job, uid)
        self._hosts = {
            names_of(pod, service): node.address for pod, node in zip(pods, nodes.network.nodes)
        }
        self.pods = [self._start(index, pod) for index, pod in enumerate(pods)]

    def _start(self, index: int, pod: dict[str, Any]) -> Pod:
        return self._nodes.start(index, pod, self._script, self._hosts)

    def replace(self, index: int) -> None:
        """Start a new pod in the place of one that has ended."""
        self.pods[index] = self._start(index, index_pod(self._job, self._uid, index))


@contextmanager
def two_nodes(folder: Path, image: Image) -> Iterator[TwoNodes]:
    """Make them as long as it lasts."""
    with ExitStack() as stack:
        yield TwoNodes(stack, folder, image)
