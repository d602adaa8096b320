"""Datadog's and OpenTelemetry's tools are injected, too, before us or behind: all run, ours once."""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

import pytest

from .support.injection import injected
from .support.installation import COUNT_FINDERS, Environment, run_python
from .support.processor import Processor
from .support.pythons import PLAIN
from .support.scripts import ScriptRunner
from .support.twice import QUIET


def find(name: str) -> ModuleSpec | None:
    """Find a module of a package that may not be there."""
    try:
        return find_spec(name)
    except ModuleNotFoundError:
        return None


DDTRACE = find("ddtrace")
DISTRO = find("opentelemetry.instrumentation.auto_instrumentation")
REQUESTS = find("opentelemetry.instrumentation.requests")
if not (DDTRACE and DISTRO and REQUESTS and find("opentelemetry.distro")):
    needed = "ddtrace opentelemetry-distro opentelemetry-instrumentation-requests"
    pytest.skip(f"pip install {needed}", allow_module_level=True)

OURS = "OURS"
DATADOG = str(Path(str(DDTRACE.origin)).parent / "bootstrap")
OTEL = str(Path(str(DISTRO.origin)).parent)
# They talk to nobody.
SILENT = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_ENABLED": "false",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_TRACES_EXPORTER": "none",
}
WHO_RAN = (
    COUNT_FINDERS
    + """
import requests
name = "sitecustomize" if "ddtrace" in getattr(sys.modules["sitecustomize"], "__file__", "") else (
    "ddtrace.bootstrap.sitecustomize")
print("Datadog" if getattr(sys.modules.get(name), "loaded", False) else "")
print("OpenTelemetry" if hasattr(requests.Session.send, "__wrapped__") else "")
"""
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return injected(tmp_path_factory.mktemp("injected"))


def path(*folders: str | Path) -> str:
    return os.pathsep.join(map(str, folders))


@pytest.mark.parametrize("order", [[OURS, DATADOG], [DATADOG, OURS]], ids=["behind", "in front"])
def test_datadog(order: list[str], folder: Path, without_us: Environment, tmp_path: Path) -> None:
    """It runs the `sitecustomize` behind it, which may be ours, or another one behind ours."""
    (tmp_path / "sitecustomize.py").write_text("print('theirs')")
    folders = [folder if name is OURS else name for name in order]
    finished = without_us.run(WHO_RAN, pythonpath=path(*folders, tmp_path), environ=SILENT)
    assert (finished.stdout, finished.stderr) == ("theirs\n1\nDatadog\n\n", "")


def test_datadogs_command(folder: Path, without_us: Environment) -> None:
    run = (
        "import sys; from ddtrace.commands.ddtrace_run import main; sys.argv[0] = 'ddtrace-run'; main()"
    )
    program = f"import sys; sys.argv[1:] = [{str(without_us.python)!r}, '-c', {WHO_RAN!r}]; {run}"
    finished = without_us.run(program, pythonpath=folder, environ=SILENT)
    assert (finished.stdout, finished.stderr) == ("1\nDatadog\n\n", "")


def test_opentelemetry_behind(folder: Path, without_us: Environment) -> None:
    """It runs no `sitecustomize` behind it."""
    finished = without_us.run(WHO_RAN, pythonpath=path(folder, OTEL), environ=SILENT)
    assert (finished.stdout, finished.stderr) == ("1\n\nOpenTelemetry\n", "")


PACKAGES = [entry for entry in sys.path if entry.endswith("-packages")]


def test_opentelemetry_in_front(folder: Path) -> None:
    """We run as `usercustomize`."""
    pythonpath = path(OTEL, folder, *PACKAGES)
    finished = run_python(PLAIN, WHO_RAN, pythonpath=pythonpath, environ=SILENT)
    assert (finished.stdout, finished.stderr) == ("1\n\nOpenTelemetry\n", "")


def test_opentelemetry_in_front_in_a_virtual_environment(folder: Path, without_us: Environment) -> None:
    """There is no `usercustomize`; OpenTelemetry itself runs us where a second folder tells it to."""
    second = folder / "primus_lens_wandb_exporter" / "for-opentelemetry"
    for ours, armed in (([folder], 0), ([folder, second], 1)):
        finished = without_us.run(WHO_RAN, pythonpath=path(OTEL, *ours), environ=SILENT)
        assert (finished.stdout, finished.stderr) == (f"{armed}\n\nOpenTelemetry\n", "")


def test_opentelemetrys_command(folder: Path) -> None:
    program = (
        f"import sys; sys.argv[1:] = [{PLAIN!r}, '-c', {WHO_RAN!r}]\n"
        "from opentelemetry.instrumentation.auto_instrumentation import run; run()"
    )
    pythonpath = path(folder, *PACKAGES)
    finished = run_python(PLAIN, program, pythonpath=pythonpath, environ=SILENT)
    assert (finished.stdout, finished.stderr) == ("1\n\nOpenTelemetry\n", "")


def test_both(folder: Path, without_us: Environment) -> None:
    pythonpath = path(folder, DATADOG, OTEL)
    finished = without_us.run(WHO_RAN, pythonpath=pythonpath, environ=SILENT)
    assert (finished.stdout, finished.stderr) == ("1\nDatadog\nOpenTelemetry\n", "")


@pytest.mark.parametrize("others", [[DATADOG], [OTEL]], ids=["Datadog", "OpenTelemetry"])
def test_a_run_is_reported_beside_them(
    others: list[str],
    folder: Path,
    without_us: Environment,
    scripts: ScriptRunner,
    processor: Processor,
) -> None:
    finished = scripts.run(
        """
        import wandb
        with wandb.init() as run:
            for i in range(20):
                run.log({"loss": i})
        """,
        python=str(without_us.python),
        hooked=False,
        pythonpath=[folder, *others],
        environ={**SILENT, **QUIET, "PRIMUS_LENS_WANDB_HOOK": "true"},
    )
    assert (finished.stdout, finished.stderr) == ("", "")
    assert processor.series("loss") == [(i, i) for i in range(20)]
    assert len(processor.detections) == 1
