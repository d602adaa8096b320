"""The digests of the bases, asked of a real registry."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from ..support.cluster.manifests import K8S
from ..support.cluster.registry import running_registry

SCRIPT = K8S / "images/pin_bases.py"
INDEX = b'{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'


def pin(file: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), str(file)]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True)


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo: apt install skopeo")
def test_each_base_gets_the_digest_that_its_registry_tells(tmp_path: Path) -> None:
    bases = tmp_path / "bases.env"
    with running_registry(tmp_path / "registry") as (registry, authority):
        trust = ssl.create_default_context(cafile=str(authority))
        with httpx.Client(base_url=f"https://{registry}/v2/python/", verify=trust) as client:
            for tag in ("3.12", "3.13"):
                kind = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
                answer = client.put(f"manifests/{tag}", content=INDEX, headers=kind)
                assert answer.status_code == 201, answer.text
        old = f"@sha256:{64 * '0'}"
        bases.write_text(
            f"# said\nA={registry}/python:3.12@sha256:<digest>\nB={registry}/python:3.13{old}\n"
        )
        done = pin(bases, SSL_CERT_FILE=str(authority))
    assert done.returncode == 0, done.stderr
    digest = f"sha256:{sha256(INDEX).hexdigest()}"
    assert bases.read_text() == (
        f"# said\nA={registry}/python:3.12@{digest}\nB={registry}/python:3.13@{digest}\n"
    )


@pytest.mark.skipif(not shutil.which("skopeo"), reason="needs skopeo: apt install skopeo")
def test_without_an_answer_the_file_stays_as_it_was(tmp_path: Path) -> None:
    bases = tmp_path / "bases.env"
    bases.write_text(text := "A=localhost:1/python:3.13@sha256:<digest>\n")
    done = pin(bases)
    assert done.returncode == 1
    assert "failed: skopeo inspect" in done.stderr
    assert bases.read_text() == text


def test_with_nothing_to_ask_it_says_what_to_install(tmp_path: Path) -> None:
    bases = tmp_path / "bases.env"
    bases.write_text("A=python:3.13@sha256:<digest>\n")
    done = pin(bases, PATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (
        1,
        "found none of skopeo, crane, docker: install one, or fill in the digests\n",
    )
