"""Fixtures: a processor that holds every body to the contract, and scripts that report to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer

from primus_lens_wandb_exporter import guard

from .support.installation import Environment, build_wheel
from .support.interruption import pytest_configure  # noqa: F401 - a hook
from .support.processor import Processor
from .support.scripts import REPOSITORY, ScriptRunner, clean_environ
from .support.skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401 - hooks


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests whose result may depend on the release of wandb: those that run scripts with it."""
    for item in items:
        if isinstance(item, pytest.Function) and "scripts" in item.fixturenames:
            item.add_marker("wandb")


@pytest.fixture(autouse=True)
def _reraise_internal_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What production swallows fails the test."""
    monkeypatch.setattr(guard, "reraise", True)


@pytest.fixture
def tmp_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a short name, not the test's.

    wandb keeps Unix sockets in the temporary folder. Some releases wait five seconds for one whose path
    is too long, in every process.
    """
    return tmp_path_factory.mktemp("t")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the working tree, built once."""
    pytest.importorskip("setuptools", reason="pip install setuptools")
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def without_us(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A Python with everything that is installed here, but nothing of ours."""
    environment = Environment(tmp_path_factory.mktemp("without") / "env")
    environment.add_packages()
    return environment


@pytest.fixture(scope="session")
def server() -> Iterator[HTTPServer]:
    """A server on loopback that outlives the tests: ending one takes half a second."""
    with HTTPServer(host="127.0.0.1", threaded=True) as server:
        yield server


@pytest.fixture
def processor(server: HTTPServer) -> Iterator[Processor]:
    """A telemetry-processor of this test's own; a body that breaks the contract fails it."""
    server.clear()
    processor = Processor(server)
    yield processor
    assert not processor.violations


@pytest.fixture
def scripts(tmp_path: Path, processor: Processor) -> ScriptRunner:
    """Runs scripts that report to `processor`, with the debug log on."""
    environ = {
        **clean_environ(tmp_path),
        "WORKLOAD_UID": "workload-1",
        "POD_NAME": "pod-1",
        "PRIMUS_LENS_API_BASE_URL": processor.url,
        "PRIMUS_LENS_WANDB_DEBUG": "true",
    }
    return ScriptRunner(tmp_path, environ)


@pytest.fixture
def direct(scripts: ScriptRunner) -> ScriptRunner:
    """Runs scripts that begin with `DIRECT`, and whose batches go out at their end."""
    scripts.environ.update(
        PACKAGE_FOLDER=str(REPOSITORY),
        PRIMUS_LENS_WANDB_BATCH_SIZE="1000",
        PRIMUS_LENS_WANDB_FLUSH_INTERVAL="3600",
    )
    return scripts
