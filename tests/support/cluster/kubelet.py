"""A kubelet, as far as a pod can tell: it makes volumes and containers of a manifest, and runs them."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .container import cannot_run
from .container_env import Cluster, ConfigError
from .image import Image
from .pods import POD_FIELDS, Pod, only


class Kubelet:
    """A node: images by name, what pods may refer to, and the network that they are in.

    `hosts` has the address of each name (or names, with spaces) that a cluster's DNS would tell;
    `network` is the path of a network namespace, as `nsenter --net` takes it; `address` the pods' own.
    `sizes` limits volumes, in bytes by name.
    """

    def __init__(
        self,
        folder: Path,
        images: Mapping[str, Image],
        objects: Iterable[dict[str, Any]] = (),
        *,
        hosts: Mapping[str, str] | None = None,
        network: Path | None = None,
        address: str = "127.0.0.1",
        node: str = "node-1",
        claims: Path | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        reason = cannot_run()
        if reason:
            pytest.skip(reason)
        self.folder, self.images, self.cluster = folder, images, Cluster(list(objects))
        self.hosts, self.network, self.address, self.node = dict(hosts or {}), network, address, node
        self.claims, self.sizes = claims or folder / "claims", dict(sizes or {})

    def image(self, name: str) -> Image:
        """Return the image of a reference; registry, tag and digest make no difference.

        Raises:
            ConfigError: there is no such image here.
        """
        bare = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
        if bare not in self.images:
            raise ConfigError(f"no image {name} here, only {', '.join(self.images)}")
        return self.images[bare]

    def admit(self, manifest: dict[str, Any]) -> Pod:
        """Return a Pod of a manifest with what a cluster adds to it; nothing runs yet."""
        only(manifest["spec"], POD_FIELDS)
        manifest = scheduled(manifest, self.node, self.address)
        folder = self.folder / manifest["metadata"]["uid"]
        folder.mkdir(parents=True)
        return Pod(manifest, self, folder)

    @contextmanager
    def run(self, manifest: dict[str, Any]) -> Iterator[Pod]:
        """Run a pod as long as it lasts; what is left of it then is killed."""
        pod = self.admit(manifest)
        try:
            pod.start()
            yield pod
        finally:
            pod.remove()


def scheduled(
    manifest: dict[str, Any], node: str = "node-1", address: str = "127.0.0.1"
) -> dict[str, Any]:
    """Return a pod's manifest as a kubelet sees it: with a name, a uid, a node and an address."""
    manifest = copy.deepcopy(manifest)
    metadata = manifest.setdefault("metadata", {})
    if "name" not in metadata:
        metadata["name"] = metadata.pop("generateName", "pod-") + uuid.uuid4().hex[:5]
    metadata.setdefault("namespace", "default")
    metadata.setdefault("uid", str(uuid.uuid4()))
    manifest["spec"].setdefault("nodeName", node)
    manifest["spec"].setdefault("serviceAccountName", "default")
    manifest["status"] = {"podIP": address, "hostIP": address}
    return manifest
