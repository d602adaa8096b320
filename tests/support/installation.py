"""Build the wheel once, and install it into throw-away environments in every supported way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .scripts import REPOSITORY

_SOURCES = ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "sitecustomize")
PACKAGE = "primus_lens_wandb_exporter"


def copy_sources(folder: Path) -> Path:
    """Copy what a build needs, so that building leaves nothing in the repository."""
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / PACKAGE, source / PACKAGE, ignore=ignore)
    for name in _SOURCES:
        origin = REPOSITORY / name
        if origin.is_dir():
            shutil.copytree(origin, source / name, ignore=ignore)
        else:
            shutil.copy(origin, source / name)
    return source


def pip(*arguments: str | Path, python: Path | None = None) -> None:
    """Run this environment's pip, on another environment's interpreter if one is given.

    Without PYTHONPATH: a checkout there that has been installed from passes for an installation.
    """
    target = ["--python", str(python)] if python else []
    command = [sys.executable, "-m", "pip", *target, *map(str, arguments)]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stdin=quiet, env=environ)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the working tree into a folder and return its path."""
    source = copy_sources(folder)
    pip("wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def build_editable_wheel(folder: Path) -> Path:
    """Build what `pip install --editable` installs (PEP 660), for a copy of the working tree."""
    source = copy_sources(folder)
    code = "import sys; from setuptools.build_meta import build_editable as b; b(sys.argv[1])"
    command = [sys.executable, "-c", code, str(folder)]
    subprocess.run(command, cwd=source, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    return wheel


class Environment:
    """A virtual environment without anything in it."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
        self.python = folder / "bin" / "python"
        (self.site,) = folder.glob("lib/python*/site-packages")

    def install(self, *what: str | Path) -> None:
        """Install with pip, nothing but what is named."""
        pip("install", "-q", "--no-deps", *what, python=self.python)

    def add_packages(self) -> None:
        """Let it import what is installed here, but without the `.pth` files: ours is one of them."""
        folders = [entry for entry in sys.path if entry.endswith("-packages")]
        (self.site / "packages.pth").write_text("\n".join(folders))

    def uninstall(self) -> None:
        """Uninstall our package with pip."""
        pip("uninstall", "-q", "-y", PACKAGE, python=self.python)

    def run(
        self,
        code: str,
        *,
        options: Sequence[str] = (),
        pythonpath: str | Path = "",
        environ: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `python -c code` in an empty environment, away from the repository."""
        return run_python(self.python, code, options=options, pythonpath=pythonpath, environ=environ)


def run_python(
    python: str | Path,
    code: str,
    *,
    options: Sequence[str] = (),
    pythonpath: str | Path = "",
    environ: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `python -c code` with an environment of its own, away from the repository."""
    return subprocess.run(
        [str(python), *options, "-c", code],
        env={
            "PATH": os.defpath,
            "PYTHONPATH": str(pythonpath),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(environ or {}),
        },
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
    )


COUNT_FINDERS = """
import sys
print(sum(type(finder).__module__.startswith("_primus_lens") for finder in sys.meta_path))
"""
