"""The same work in trackio and mlflow: their own client, into their own store, with their defaults."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..pairs import summarise
from ..table import Row
from ..workshop import Workshop
from .in_peers import in_mlflow, in_trackio

TITLE = "Peers, in the process that logs, without HTTP"

_PACKAGES = ("mlflow", "trackio")
_TIMEOUT = 300  # seconds


def measure(workshop: Workshop, python: Path | None) -> Iterator[Row]:
    """Measure them in a venv that has them, or in a new one; leave out what cannot be installed."""
    python = python or workshop.with_packages(*_PACKAGES)
    if python is None:
        yield Row("left out: pip could not install them", None, peer=True)
        return
    for name, function, rows in (
        ("trackio", in_trackio, _trackio_rows),
        ("mlflow", in_mlflow, _mlflow_rows),
    ):
        if subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode:
            yield Row(f"{name} left out: it is not installed", None, peer=True)
            continue
        yield from rows(workshop.measure(function, python=python, hooked=False, timeout=_TIMEOUT).result)


def _trackio_rows(found: dict[str, Any]) -> Iterator[Row]:
    yield Row("trackio, ten metrics a call", summarise([found["rate"]]), "points/s", peer=True)
    yield Row("trackio, one series of 100 000 points", summarise(found["read"]), "ms", peer=True)
    yield Row("trackio, the same thinned out to 1000", summarise(found["thinned"]), "ms", peer=True)
    yield Row("trackio, a million points on disk", summarise([found["bytes"]]), "MB", peer=True)


def _mlflow_rows(found: dict[str, Any]) -> Iterator[Row]:
    yield Row("mlflow, batches of 1000 points", summarise([found["rate"]]), "points/s", peer=True)
    yield Row(
        "mlflow, ten metrics a call, 100 calls", summarise([found["single"]]), "points/s", peer=True
    )
    yield Row("mlflow, one series of 100 000 points", summarise(found["read"]), "ms", peer=True)
    yield Row("mlflow, a million points on disk", summarise([found["bytes"]]), "MB", peer=True)
