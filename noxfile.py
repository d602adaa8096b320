"""The suite on every Python that is found; on old releases of wandb, what depends on the release.

One of them: `nox -s "tests(3.12-wandb-0.16.6)"`; `nox --list` shows all. `nox --tags brief` runs a
choice of them: the oldest Python, and each old release once.
"""

from __future__ import annotations

import os
import shutil
import subprocess

import nox

nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True
nox.options.default_venv_backend = "venv"

# What an old release needs beside it; it does not say so itself.
COMPANIONS = {"0.16.6": ("numpy<2", "setuptools<80")}


def combination(python: str, wandb: str, *tags: str) -> nox.param:
    """Return what makes one session."""
    return nox.param(python, wandb, id=f"{python}-wandb-{wandb}", tags=tags)


COMBINATIONS = [
    combination("3.9", "newest", "brief"),
    combination("3.10", "newest"),
    combination("3.11", "newest"),
    combination("3.12", "newest"),
    combination("3.13", "newest"),
    combination("3.9", "0.16.6"),
    combination("3.12", "0.16.6", "brief"),
    combination("3.13", "0.19.11", "brief"),
]


def install(session: nox.Session, *what: str) -> None:
    """Install with pip; an index may fail once."""
    try:
        session.install(*what)
    except nox.command.CommandFailed:
        session.install(*what)


# pyenv hides the interpreters that are not selected.
if shutil.which("pyenv"):
    found = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True).stdout
    os.environ["PYENV_VERSION"] = ":".join(reversed(found.split()))


@nox.session
@nox.parametrize("python,wandb", COMBINATIONS)
def tests(session: nox.Session, wandb: str) -> None:
    """Run the tests; arguments after `--` go to pytest."""
    release, selection = ("wandb", []) if wandb == "newest" else (f"wandb=={wandb}", ["-m", "wandb"])
    install(session, "--editable", ".[test]", release, *COMPANIONS.get(wandb, ()))
    workers = "4" if wandb == "0.16.6" else "2"  # there a run waits for seconds inside wandb
    session.run("python", "-m", "pytest", "-n", workers, *selection, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    install(session, "--editable", ".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
