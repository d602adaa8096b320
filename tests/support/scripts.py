"""Run a user's script in a fresh interpreter, with the hook and with the real wandb, offline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .versions import WANDB

REPOSITORY = Path(__file__).resolve().parents[2]
HOOK_FOLDER = REPOSITORY / "sitecustomize"

_PRINT_STATS = """
def print_stats():
    import json, os, sys
    from primus_lens_wandb_exporter.api_reporter import get_global_reporter
    sys.stdout.flush()
    line = "STATS " + json.dumps(get_global_reporter().stats) + "\\n"
    os.write(1, line.encode())  # in one piece: several processes may write
"""


class Finished(NamedTuple):
    """How a script ended. `stderr` is without our debug log, which is in `debug`."""

    status: int
    stdout: str
    stderr: str
    debug: str

    @property
    def all_stats(self) -> list[dict[str, Any]]:
        """What each call of `print_stats()` printed, in whatever process."""
        lines = [line for line in self.stdout.splitlines() if line.startswith("STATS ")]
        return [dict(json.loads(line.removeprefix("STATS "))) for line in lines]

    @property
    def stats(self) -> dict[str, Any]:
        """What the script's last call of `print_stats()` printed."""
        return self.all_stats[-1]


class ScriptRunner:
    """Runs scripts in one folder, with one environment."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = dict(environ)

    def start(
        self,
        source: str,
        *,
        hooked: bool = True,
        environ: Mapping[str, str] | None = None,
        python: str = sys.executable,
        options: Sequence[str] = (),
        pythonpath: Sequence[str | Path] = (),
    ) -> subprocess.Popen[str]:
        """Start a script, which can call `print_stats()`; `hooked=False` runs it as without us."""
        path = self.folder / "script.py"
        preamble = _PRINT_STATS if "print_stats()" in source else ""
        path.write_text(preamble + textwrap.dedent(source))
        search_path = [str(entry) for entry in pythonpath]
        if hooked:
            search_path.insert(0, str(HOOK_FOLDER))
        process = subprocess.Popen(
            [python, *options, str(path)],
            cwd=self.folder,
            env={
                **self.environ,
                "PYTHONPATH": os.pathsep.join(search_path),
                # The package may be installed in this environment, too.
                "PRIMUS_LENS_WANDB_HOOK": "true" if hooked else "false",
                **(environ or {}),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # Reaped as soon as it ends: the service of wandb 0.16 holds the pipes until it finds its parent
        # gone, and takes a zombie for alive.
        threading.Thread(target=process.wait, daemon=True).start()
        return process

    def run(self, source: str, *, timeout: float = 60, ok: bool = True, **options: Any) -> Finished:
        """Run a script to its end; unless `ok=False`, it must end with status 0.

        An exception that our boundary swallowed is in the debug log, and fails the test.
        """
        process = self.start(source, **options)
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        finally:
            process.kill()
        finished = _sort(process.returncode, stdout, stderr)
        assert "internal error" not in finished.debug, finished.debug
        if ok:
            assert finished.status == 0, finished.stderr
        return finished


def _sort(status: int, stdout: str, stderr: str) -> Finished:
    lines = stderr.splitlines(keepends=True)
    debug = [line for line in lines if line.startswith("[Primus Lens ")]
    rest = [line for line in lines if not line.startswith("[Primus Lens ")]
    return Finished(status, stdout, "".join(rest), "".join(debug))


def clean_environ(folder: Path) -> dict[str, str]:
    """Return an environment for offline runs, with nothing of ours or of wandb's in it but that."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PRIMUS_LENS_", "WANDB_", "PYTHON", "POD_", "KUBERNETES_"))
        and not name.lower().endswith("_proxy")
        and name not in ("WORKLOAD_UID", "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")
    }
    if WANDB < (0, 20):  # it imports eventlet where that is installed, which says that it is old
        inherited["PYTHONWARNINGS"] = "ignore"
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        **inherited,
        "HOME": str(folder),
        "TMPDIR": str(temporary),
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(folder),
        "WANDB_SILENT": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
