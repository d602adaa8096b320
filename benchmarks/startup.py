"""What an interpreter that never sees wandb pays for the hook being installed."""

from __future__ import annotations

import ast
import compileall
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from primus_lens_wandb_exporter.bootstrap import HOOK_SWITCH
from tests.support.pythons import PLAIN

from .pairs import Figure, added, interleave
from .table import Row
from .workshop import HOOK_FOLDER, REPOSITORY, Workshop

TITLE = "Start-up of `python -c pass`, our wheel in a bare venv"

_ROUNDS = 200
_PEER_ROUNDS = 9
_WANDB_ROUNDS = 21
_ALLOWED = {
    "_primus_lens_wandb_exporter",
    "primus_lens_wandb_exporter",
    "primus_lens_wandb_exporter.bootstrap",
    "primus_lens_wandb_exporter.import_hook",
}


class _Start(NamedTuple):
    wall: float  # milliseconds, both
    cpu: float


class _Starter:
    """Starts an interpreter with or without the `.pth` line, and with a folder on PYTHONPATH or none."""

    def __init__(self, workshop: Workshop) -> None:
        self.python = workshop.installed
        site_packages = next(workshop.installed.parent.parent.glob("lib/*/site-packages"))
        self._line = site_packages / "primus_lens_wandb_exporter.pth"
        self._aside = self._line.with_suffix(".aside")
        self.injected = inject(workshop, self.python)
        self.no_bytecode = copy_without_bytecode(self.injected, workshop.folder / "no-bytecode")
        self.empty = workshop.folder / "empty"
        self.empty.mkdir()
        self._environ = workshop.environ

    def start(
        self, *, line: bool = False, folder: Path | None = None, python: Path | None = None
    ) -> _Start:
        self._place(line)
        environ = {**self._environ, "PYTHONPATH": str(folder)} if folder else self._environ
        return time_start([str(python or self.python), "-c", "pass"], environ)

    def modules(self, *, line: bool) -> set[str]:
        self._place(line)
        command = [str(self.python), "-c", "import sys; print(sorted(sys.modules))"]
        return set(ast.literal_eval(subprocess.check_output(command, env=self._environ, text=True)))

    def _place(self, line: bool) -> None:
        if line and not self._line.exists():
            self._aside.rename(self._line)
        elif not line and self._line.exists():
            self._line.rename(self._aside)


def inject(workshop: Workshop, python: Path) -> Path:
    """Fill a folder from an environment's wheel."""
    folder = workshop.folder / "injected"
    command = [str(python), "-m", "primus_lens_wandb_exporter", "inject", str(folder)]
    subprocess.run(command, env=workshop.environ, check=True, stdout=subprocess.DEVNULL)
    return folder


def copy_without_bytecode(folder: Path, copy: Path) -> Path:
    """Copy a folder as it would be if every Python had to compile what it reads."""
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def time_start(command: list[str], environ: Mapping[str, str]) -> _Start:
    """Return how long a process takes from start to end, and the CPU time it used."""
    started = time.perf_counter()
    pid = os.posix_spawn(command[0], command, environ)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    if status:
        raise RuntimeError(f"{command} ended with status {status}")
    return _Start(wall * 1000, (usage.ru_utime + usage.ru_stime) * 1000)


def measure(workshop: Workshop) -> Iterator[Row]:
    """Start interpreters in turns."""
    starter = _Starter(workshop)
    variants = {
        "without": starter.start,
        "line": lambda: starter.start(line=True),
        "injected": lambda: starter.start(folder=starter.injected),
        "no bytecode": lambda: starter.start(folder=starter.no_bytecode),
        "empty": lambda: starter.start(folder=starter.empty),
    }
    # It looks for a `usercustomize`, too, as no virtual environment does. In turns of their own: another
    # interpreter leaves cold caches to the next one.
    outside = {
        "plain": lambda: starter.start(folder=starter.injected, python=Path(PLAIN)),
        "plain, empty": lambda: starter.start(folder=starter.empty, python=Path(PLAIN)),
    }
    starts = {}
    for these in (variants, outside):
        interleave(3, these)  # fills the page cache
        starts.update(interleave(_ROUNDS, these))

    def more(variant: str, clock: str, than: str = "without") -> Figure:
        sides = (starts[variant], starts[than])
        return added(*([getattr(start, clock) for start in side] for side in sides))

    yield Row("`.pth` line, elapsed", more("line", "wall"), "ms", 0.5)
    yield Row("`.pth` line, CPU", more("line", "cpu"), "ms", 0.5)
    over = "over any folder on PYTHONPATH"
    yield Row(f"injected, {over}, elapsed", more("injected", "wall", "empty"), "ms", 0.5)
    yield Row(f"injected, {over}, CPU", more("injected", "cpu", "empty"), "ms", 0.5)
    yield Row("… outside a venv, elapsed", more("plain", "wall", "plain, empty"), "ms", 0.5)
    yield Row("… outside a venv, CPU", more("plain", "cpu", "plain, empty"), "ms", 0.5)
    yield Row("… without its bytecode, elapsed", more("no bytecode", "wall", "empty"), "ms")
    yield Row("an empty folder on PYTHONPATH, elapsed", more("empty", "wall"), "ms", peer=True)
    extra = starter.modules(line=True) - starter.modules(line=False)
    surplus = len(extra - _ALLOWED)
    yield Row("modules beyond our own entry files", Figure(surplus, surplus, surplus, 1), "", 0)
    yield Row(f"    loaded: {', '.join(sorted(extra))}", None)
    yield from _with_wandb(workshop, starter)
    yield from _peers(workshop)


def _with_wandb(workshop: Workshop, starter: _Starter) -> Iterator[Row]:
    """All that the worker needs is loaded then, so that it never holds the GIL for an import."""
    compileall.compile_dir(str(REPOSITORY / "primus_lens_wandb_exporter"), quiet=2)  # as pip does
    command = [sys.executable, "-c", "import wandb"]

    def start(folder: Path, hooked: str = "true") -> _Start:
        environ = {**workshop.environ, "PYTHONPATH": str(folder), HOOK_SWITCH: hooked}
        return time_start(command, environ)

    variants = {
        "without": lambda: start(HOOK_FOLDER, "false"),
        "with": lambda: start(HOOK_FOLDER),
        "injected": lambda: start(starter.injected),
        "without its bytecode": lambda: start(starter.no_bytecode),
    }
    interleave(1, variants)
    starts = interleave(_WANDB_ROUNDS, variants)
    for name in ("with", "injected", "without its bytecode"):
        label = "`import wandb`" if name == "with" else f"… {name}"
        for clock, unit in (("wall", "elapsed"), ("cpu", "CPU")):
            sides = ([getattr(start, clock) for start in starts[side]] for side in (name, "without"))
            yield Row(f"{label}, {unit}", added(*sides), "ms")


def _peers(workshop: Workshop) -> Iterator[Row]:
    python = workshop.peers
    if python is None:
        yield Row(f"peers left out: {workshop.no_peers}", None, peer=True)
        return
    wrapped = [str(Path(python).with_name("opentelemetry-instrument")), str(python), "-c", "pass"]
    environ = {
        **workshop.environ,
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    variants = {
        "without": lambda: time_start([str(python), "-c", "pass"], environ),
        "wrapped": lambda: time_start(wrapped, environ),
    }
    interleave(1, variants)
    starts = interleave(_PEER_ROUNDS, variants)
    walls = ([start.wall for start in starts[name]] for name in ("wrapped", "without"))
    yield Row("OpenTelemetry auto-instrumentation, elapsed", added(*walls), "ms", peer=True)
