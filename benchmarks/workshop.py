"""Where things are measured: fresh interpreters, throw-away venvs, servers on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Callable, NamedTuple

from tests.support.scripts import HOOK_FOLDER, REPOSITORY, clean_environ

_PEERS = (
    "opentelemetry-distro",
    "opentelemetry-instrumentation-requests",
    "opentelemetry-sdk",
    "prometheus_client",
    "swanlab",
    "wandb",
)


class Measured(NamedTuple):
    """What a measuring function returned, and when (monotonic seconds) its process was gone."""

    result: Any
    ended_at: float


class Workshop:
    """One temporary folder and what is made in it; close it with `with`."""

    def __init__(self, *, peers: bool = True) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="benchmarks-"))
        self._peers_wanted = peers
        self.no_peers = "not asked for"  # why there are no peers, if there are none

    def __enter__(self) -> Workshop:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def environ(self) -> dict[str, str]:
        """An environment for offline runs, with nothing of ours in it."""
        return {**clean_environ(self.folder), "HF_HUB_OFFLINE": "1"}

    @cached_property
    def _wheel(self) -> Path:
        source = self.folder / "source"
        for name in ("primus_lens_wandb_exporter", "sitecustomize"):
            shutil.copytree(
                REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        for path in [*REPOSITORY.glob("setup.*"), *REPOSITORY.glob("*.toml"), *REPOSITORY.glob("*.md")]:
            shutil.copy(path, source)
        self._pip(sys.executable, "wheel", "--no-deps", "-w", str(self.folder), str(source))
        return next(self.folder.glob("*.whl"))

    @cached_property
    def installed(self) -> Path:
        """The Python of a bare venv with our wheel in it."""
        python = self._venv("installed")
        self._pip(python, "install", "--no-deps", str(self._wheel))
        return python

    @cached_property
    def peers(self) -> Path | None:
        """The Python of a venv with other telemetry in it, and without ours; None if there is none."""
        if not self._peers_wanted:
            return None
        python = self.with_packages(*_PEERS)
        if python is None:
            self.no_peers = "pip could not install them"
        return python

    def with_packages(self, *packages: str) -> Path | None:
        """Return the Python of a new venv with packages in it, and without ours; None: pip failed."""
        python = self._venv("-".join(packages[:2]))
        try:
            self._pip(python, "install", *packages)
        except subprocess.SubprocessError:
            return None
        return python

    def _venv(self, name: str) -> Path:
        subprocess.run([sys.executable, "-m", "venv", str(self.folder / name)], check=True, timeout=120)
        return self.folder / name / "bin" / "python"

    def _pip(self, python: Any, *arguments: str) -> None:
        command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
        subprocess.run(command, check=True, timeout=300, capture_output=True)

    def measure(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        python: Path | None = None,
        hooked: bool = True,
        environ: Mapping[str, str] | None = None,
        timeout: float = 120,
    ) -> Measured:
        """Call a function of a module in a fresh interpreter and return its (JSON-safe) result.

        Raises:
            subprocess.SubprocessError: it failed, or took longer than `timeout` seconds.
        """
        code = (
            f"import json; from {function.__module__} import {function.__name__} as measured\n"
            f"print('RESULT', json.dumps(measured(*{arguments!r})), flush=True)"
        )
        folders: Sequence[Path] = (HOOK_FOLDER, REPOSITORY) if hooked else (REPOSITORY,)
        process = subprocess.run(
            [str(python or sys.executable), "-c", code],
            cwd=self.folder,
            env={
                **self.environ,
                "PYTHONPATH": os.pathsep.join(map(str, folders)),
                **({} if hooked else {"PRIMUS_LENS_WANDB_HOOK": "false"}),
                **(environ or {}),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        ended_at = time.monotonic()
        if process.returncode:
            sys.stderr.write(process.stderr)
            process.check_returncode()
        line = next(line for line in process.stdout.splitlines() if line.startswith("RESULT "))
        return Measured(json.loads(line[len("RESULT ") :]), ended_at)

    @contextlib.contextmanager
    def processor(self, behaviour: str = "healthy") -> Iterator[Processor]:
        """Run a processor in a process of its own; see `benchmarks.counter` for how it may behave."""
        command = [sys.executable, "-m", "benchmarks.counter", behaviour]
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                yield Processor(process)
            finally:
                process.kill()


class Processor:
    """The handle on a processor's process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._questions, self._answers = process.stdin, process.stdout
        self.environ = {
            "WORKLOAD_UID": "benchmark",
            "POD_NAME": "benchmark",
            "PRIMUS_LENS_API_BASE_URL": f"http://127.0.0.1:{self._read_number()}/api/v1",
        }

    def take_points(self) -> int:
        """Return how many points came in since this was last asked."""
        self._questions.write("\n")
        self._questions.flush()
        return self._read_number()

    def _read_number(self) -> int:
        return int(self._answers.readline())
