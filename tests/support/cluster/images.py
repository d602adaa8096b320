"""Build the container images as a release does, on stand-ins for their bases, and look into them."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..scripts import REPOSITORY
from .stand_ins import SUPPORTED, WHEELS, find_python, make_stand_in

SCRIPT = REPOSITORY / "k8s/images/build.py"
REGISTRY = "registry.example.com/primus-lens"


class Workshop:
    """A folder in which images are built by buildah, with a storage of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cluster = folder / "k8s/cluster"  # a copy, with what was built in it
        self._environ = {
            **os.environ,
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "BUILDAH_ISOLATION": "chroot",
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }

    def prepare(self) -> None:
        """Make the bases, of the Pythons that this machine has; for the others stands the newest."""
        self._configure_storage()
        shutil.copytree(REPOSITORY / "k8s", self.folder / "k8s")
        found = {version: find_python(version) for version in SUPPORTED}
        newest = [version for version in SUPPORTED if found[version]][-1]
        wheels = download_wheels(newest, self.folder / "wheels")
        names = {}
        for version in [version for version in SUPPORTED if found[version]]:
            root = self.folder / f"python-{version}"
            make_stand_in(version, root, wheels=wheels if version == newest else None)
            names[version] = self._add_base(root, f"localhost/python:{version}")
            shutil.rmtree(root)
        lines = [f"PYTHON_{v.replace('.', '_')}={names.get(v, names[newest])}\n" for v in SUPPORTED]
        main = f"PYTHON_3_13={names[newest]}\n"  # what the images have
        lines = [main if line.startswith("PYTHON_3_13=") else line for line in lines]
        (self.folder / "bases.env").write_text("".join(lines))
        (self.folder / "pip.conf").write_text(f"[global]\nno-index = true\nfind-links = {WHEELS}\n")

    def build(self, *more: str, registry: str = REGISTRY, authority: Path | None = None) -> None:
        """Run the script that builds the images; it trusts a registry that the authority vouches for."""
        options = [f"--registry={registry}", "--builder=buildah", f"--bases={self.folder / 'bases.env'}"]
        options += [f"--pip-conf={self.folder / 'pip.conf'}"]
        trusted = {"SSL_CERT_FILE": str(authority)} if authority else {}
        self._run(sys.executable, str(SCRIPT), *options, *more, **trusted)

    def remove(self) -> None:
        """Remove all that was built; a build that was cut short leaves mounts."""
        for mount in Path("/proc/self/mounts").read_text().splitlines():
            if mount.split()[1].startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", mount.split()[1]])
        shutil.rmtree(self.folder)

    def _configure_storage(self) -> None:
        for driver in ("overlay", "vfs"):  # the first cannot stand on an overlay itself
            text = f'[storage]\ndriver = "{driver}"\nrunroot = "{self.folder}/run"\n'
            text += f'graphroot = "{self.folder}/{driver}"\n'
            (self.folder / "storage.conf").write_text(text)
            if not subprocess.run(
                ["buildah", "info"], env=self._environ, capture_output=True
            ).returncode:
                return
        raise RuntimeError("buildah finds no driver for its storage")

    def _add_base(self, root: Path, name: str) -> str:
        """Make an image of a root file system and return its name with its digest."""
        container = self._run("buildah", "from", "scratch").strip()
        self._run("buildah", "add", "--quiet", container, str(root), "/")
        self._run("buildah", "config", "--env", "PATH=/usr/local/bin:/usr/bin", container)
        self._run("buildah", "commit", "--quiet", "--rm", container, name)
        (image,) = json.loads(self._run("buildah", "images", "--json", name))
        return f"{name.rpartition(':')[0]}@{image['digest']}"

    def _run(self, *command: str, **environ: str) -> str:
        done = subprocess.run(
            command,
            env={**self._environ, **environ},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def download_wheels(version: str, folder: Path) -> Path:
    """Get what the images are made of from the index that this environment's pip uses."""
    locks = [
        argument
        for lock in ("wheel", "processor")
        for argument in ("-r", SCRIPT.with_name(f"{lock}.txt"))
    ]
    options = ["--require-hashes", "--only-binary=:all:", "--no-deps", f"--python-version={version}"]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        *options,
        *map(str, locks),
        "-d",
        str(folder),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"the index that `pip install` asks does not have them: {done.stderr}")
    return folder


class BuiltImage:
    """An image in an OCI layout: its configuration, the files of its layers, and what it does."""

    def __init__(self, layout: Path) -> None:
        self._blobs = layout / "blobs"
        (index,) = json.loads((layout / "index.json").read_text())["manifests"]
        self.digest = index["digest"]
        (image,) = self._read(index["digest"])["manifests"]
        manifest = self._read(image["digest"])
        config = self._read(manifest["config"]["digest"])
        self.created: str = config["created"]
        self.layers: list[str] = config["rootfs"]["diff_ids"]
        self.config: dict[str, Any] = config["config"]
        self.size = sum(layer["size"] for layer in manifest["layers"])  # bytes, compressed
        self._tars = [self._path(layer["digest"]) for layer in manifest["layers"]]

    @property
    def environ(self) -> dict[str, str]:
        """Return the variables that it sets."""
        return dict(variable.split("=", 1) for variable in self.config["Env"])

    def files(self) -> list[tarfile.TarInfo]:
        """Return what is in the layers."""
        files = []
        for tar in self._tars:
            with tarfile.open(tar) as layer:
                files += layer.getmembers()
        return files

    def unpack(self, folder: Path) -> None:
        """Lay its root file system out."""
        folder.mkdir()
        for tar in self._tars:
            subprocess.run(["tar", "-xpzf", tar, "-C", folder], check=True)

    def _path(self, digest: str) -> Path:
        return self._blobs / digest.replace(":", "/")

    def _read(self, digest: str) -> dict[str, Any]:
        value = json.loads(self._path(digest).read_text())
        assert isinstance(value, dict)
        return value


@contextmanager
def shared_workshop(folder: Path) -> Iterator[Workshop]:
    """Share a workshop with the other processes of a test run; the last one removes it."""
    with folder.with_suffix(".users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        folder.mkdir(exist_ok=True)
        workshop = Workshop(folder)
        try:
            yield workshop
        finally:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass
            else:
                workshop.remove()


@contextmanager
def once(done: Path) -> Iterator[bool]:
    """Say whether something has to be done yet; another process that asks meanwhile waits."""
    with done.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()
        done.touch()
