"""Images that are nothing but an environment, in a registry of the tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def push_image(
    name: str, env: Mapping[str, str], folder: Path, authority: Path, *, index: str = ""
) -> str:
    """Make an image with buildah, push it to the registry of its name, and return its digest.

    With `index` the name is that of an index, which has it for this architecture alone. The folder is
    for buildah's storage; `authority` has the certificate that the registry is trusted by.
    """
    storage = [f"--root={folder}/root", f"--runroot={folder}/run", "--storage-driver=vfs"]
    environ = {**os.environ, "SSL_CERT_FILE": str(authority), "BUILDAH_ISOLATION": "chroot"}

    def buildah(*arguments: str) -> str:
        command = ["buildah", *storage, *arguments]
        done = subprocess.run(command, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        return done.stdout.strip()

    container = buildah("from", "scratch")
    buildah("config", *(f"--env={key}={value}" for key, value in env.items()), container)
    image = buildah("commit", "--quiet", "--rm", container)
    if index:
        buildah("manifest", "create", name)
        buildah("manifest", "add", f"--arch={index}", name, image)
        buildah("manifest", "push", "--all", f"--digestfile={folder}/digest", name, f"docker://{name}")
    else:
        buildah("push", "--quiet", f"--digestfile={folder}/digest", image, f"docker://{name}")
    return (folder / "digest").read_text()
