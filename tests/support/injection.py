"""Run `primus-lens-wandb inject`, and look at the folder it leaves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .scripts import REPOSITORY


def inject(
    folder: Path | str,
    *options: str,
    python: str | Path = sys.executable,
    package: str | Path = REPOSITORY,
    before: Sequence[str] = (),
    code: str = "",
) -> subprocess.CompletedProcess[str]:
    """Fill a folder from the package in another one (empty: as installed), in an empty environment.

    Args:
        before: a command that runs the interpreter's.
        code: what the interpreter executes first.
    """
    run = f"import sys\n{code}\nfrom primus_lens_wandb_exporter.cli import main\nsys.exit(main())"
    return subprocess.run(
        [*before, str(python), "-c", run, "inject", *options, str(folder)],
        env={"PATH": os.defpath, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


def injected(folder: Path) -> Path:
    """Return a folder that was filled from the working tree."""
    finished = inject(folder)
    assert finished.returncode == 0, finished.stderr
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder with what they hold.

    Of bytecode, the header: the rest may differ each time it is made. So do the sums, whose names count.
    """
    return {
        str(path.relative_to(folder)): _essence(path.name, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


def _essence(name: str, data: bytes) -> bytes:
    if name == "SHA256SUMS":
        return b"".join(line[64:] for line in data.splitlines())
    return data[:16] if name.endswith(".pyc") else data
