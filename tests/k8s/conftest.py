"""Fixtures: images that pods are run from, and a node with a processor where the manifests say it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.cluster import two_nodes
from ..support.cluster.image import Image, injector, python_without_us
from ..support.cluster.logged import INTERVAL
from ..support.cluster.one_node import OneNode, one_node


@pytest.fixture(scope="session")
def training_image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of a team: a Python with wandb, and nothing of ours."""
    return python_without_us(tmp_path_factory.mktemp("image") / "venv")


@pytest.fixture(scope="session")
def injector_image(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Image:
    """The image of the init container."""
    return injector(tmp_path_factory.mktemp("image") / "venv", wheel)


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory, training_image: Image, injector_image: Image
) -> Iterator[OneNode]:
    """A node of a cluster that has a processor."""
    images = {"training": training_image, "primus-lens-wandb-injector": injector_image}
    with one_node(tmp_path_factory.mktemp("n"), images) as node:
        yield node


@pytest.fixture(scope="session")
def image_with_us(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Image:
    """An image with wandb and our wheel; its settings make outages short."""
    return two_nodes.image_with_us(tmp_path_factory.mktemp("image"), wheel).with_env(
        WANDB_MODE="offline",
        WANDB_SILENT="true",
        OMP_NUM_THREADS="1",
        PRIMUS_LENS_WANDB_FLUSH_INTERVAL=str(INTERVAL),
        PRIMUS_LENS_WANDB_REQUEST_TIMEOUT="1",
    )


@pytest.fixture
def nodes(tmp_path: Path, image_with_us: Image) -> Iterator[two_nodes.TwoNodes]:
    """Two nodes on a network that can be cut, and a processor."""
    with two_nodes.two_nodes(tmp_path, image_with_us) as nodes:
        yield nodes
