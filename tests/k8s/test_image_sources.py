"""What the container images are built of: bases with their digests, and packages with their hashes."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ..support.cluster.images import SCRIPT
from ..support.scripts import REPOSITORY

DIGEST = "sha256:" + "0" * 64


def build(*options: str) -> tuple[int, str]:
    """Run the script and return its status and what it says on standard error."""
    command = [sys.executable, str(SCRIPT), "--registry=registry.example.com/x", *options]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("extra", ["processor", "postgres"])
def test_the_lock_has_what_an_extra_asks_for(extra: str) -> None:
    lock = SCRIPT.with_name("processor.txt").read_text()
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg")
    asked = [Requirement(line) for line in setup["options.extras_require"][extra].split("\n") if line]
    assert asked
    for requirement in asked:
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)])


def test_a_base_without_a_digest_is_refused() -> None:
    status, said = build()
    assert status == 1
    assert re.search(r"bases\.env:2: PYTHON_3_9=python:3\.9-slim@sha256:<digest>: expected", said)
    assert "k8s/images/README.md" in said


def test_a_base_that_is_missing_is_named(tmp_path: Path) -> None:
    bases = tmp_path / "bases.env"
    names = ["PYTHON_3_9", "PYTHON_3_10", "PYTHON_3_11", "PYTHON_3_12", "PYTHON_3_13"]
    bases.write_text("".join(f"{name}=mirror.example.com/python@{DIGEST}\n" for name in names))
    assert build(f"--bases={bases}") == (1, f"{bases}: PYTHON_3_14: not there\n")


def test_bases_that_are_not_there_are_refused() -> None:
    assert build("--bases=/missing") == (1, "/missing: No such file or directory\n")


def test_an_address_is_no_registry() -> None:
    status, said = build("--registry=https://registry.example.com")
    assert status == 2
    assert said.endswith("--registry: expected such as registry.example.com/primus-lens\n")


def test_each_python_has_its_base_in_both_files() -> None:
    named = re.findall(r"^(PYTHON_\w+)=", SCRIPT.with_name("bases.env").read_text(), re.MULTILINE)
    asked = re.findall(
        r"^ARG (PYTHON_\w+)$", SCRIPT.with_name("Containerfile").read_text(), re.MULTILINE
    )
    assert named == asked
