"""A registry of the tests' own, from Debian's package: on loopback, with TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from ..delivery import wait_until


@contextmanager
def running_registry(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run an empty registry and return its host and port, and the certificate of its authority."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("needs docker-registry: apt install docker-registry")
    folder.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "registry.pem")
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(
        f"""
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}/data}}}}
http:
  addr: 127.0.0.1:{port}
  tls: {{certificate: {folder}/registry.pem, key: {folder}/registry.pem}}
"""
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        wait_until(lambda: _answers(port))
        yield f"localhost:{port}", folder / "ca.crt"
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
