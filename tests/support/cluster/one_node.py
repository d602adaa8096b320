"""A node of a cluster that has our processor, at the address that the manifests name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ..recorded import recorded_points
from ..served import Server, served
from .image import Image
from .kubelet import Kubelet, Pod
from .nodes import network

PROCESSOR = "primus-lens-telemetry-processor.primus-lens.svc"
Row = tuple[str, int, float]  # metric, step, value


class OneNode:
    """Runs pods; each has a folder `/train` that holds its script."""

    def __init__(
        self, folder: Path, images: Mapping[str, Image], server: Server, hub: Any, place: Any
    ) -> None:
        self._folder, self._images, self._server = folder, images, server
        self._hub, self._place, self._count = hub, place, 0

    @contextmanager
    def run(
        self,
        pod: dict[str, Any],
        files: Mapping[str, str],
        *,
        objects: Sequence[dict[str, Any]] = (),
        images: Mapping[str, Image] | None = None,
        **options: Any,
    ) -> Iterator[Pod]:
        """Run a pod with files in `/train`; options are the kubelet's."""
        self._count += 1
        folder = self._folder / str(self._count)
        for name, text in files.items():
            path = folder / "train" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        found = {**self._images, **(images or {})}
        found["training"] = found["training"].with_files("/train", folder / "train")
        hosts = {PROCESSOR: self._hub.address}
        kubelet = Kubelet(
            folder,
            found,
            objects,
            hosts=hosts,
            network=self._place.path,
            address=self._place.address,
            **options,
        )
        with kubelet.run(pod) as running:
            yield running

    def get(self, path: str, **query: Any) -> Any:
        """Ask the processor; returns the data of its answer."""
        with self._hub.inside():
            return self._server.get(path, **query)

    def workloads(self) -> dict[str, dict[str, Any]]:
        """Return the workloads that the processor knows, by uid."""
        return {each["uid"]: each for each in self.get("/workloads", limit=1000)["workloads"]}

    def stored(self, workload: str) -> Counter[Row]:
        """Return all points that the processor has of a workload."""
        found = self.get(f"/workloads/{workload}/metrics/data", metrics="all", limit=100_000)
        assert not found["truncated"]
        return Counter((row["metric_name"], row["iteration"], row["value"]) for row in found["data"])


def recorded(folder: Path) -> Counter[Row]:
    """Return all points that W&B itself has recorded below a folder."""
    return Counter((point.name, point.step, point.value) for point in recorded_points(folder))


@contextmanager
def one_node(folder: Path, images: Mapping[str, Image]) -> Iterator[OneNode]:
    """Make it as long as it lasts."""
    with network(1) as net:
        (place,) = net.nodes
        with ExitStack() as stack:
            with net.hub.inside():
                server = stack.enter_context(served(folder, "--host", net.hub.address, "--port", "8080"))
            yield OneNode(folder, images, server, net.hub, place)
