"""The container images: built by the script that releases use, on stand-ins for their bases, and run."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from ..support.bodies import metrics, point
from ..support.cluster.chroot import enter
from ..support.cluster.images import BuiltImage, Workshop, once, shared_workshop
from ..support.cluster.manifests import container, find, pod_templates, render
from ..support.cluster.registry import running_registry
from ..support.cluster.stand_ins import SUPPORTED, find_python
from ..support.scripts import REPOSITORY
from ..support.served import Server

INJECTOR, PROCESSOR = "primus-lens-wandb-injector", "primus-lens-telemetry-processor"
PACKAGE = "primus_lens_wandb_exporter"
INDEX = "application/vnd.oci.image.index.v1+json"
NOBODY = 54321  # a user that no image knows
MISSING = [
    reason
    for reason, missing in {
        "needs root": os.geteuid() != 0,
        "needs a Python that is not Debian's": not any(map(find_python, SUPPORTED)),
        "needs buildah: apt install buildah": not shutil.which("buildah"),
    }.items()
    if missing
]
# Building takes longer than a test may where all processors have something else to do.
pytestmark = pytest.mark.timeout(func_only=True)
# The first: what nothing can be installed against stands above.
can_build = pytest.mark.skipif(bool(MISSING), reason="".join(MISSING[:1]))
of_both = pytest.mark.parametrize("name", ["injector", "processor"])


class Built(NamedTuple):
    """Both images."""

    injector: BuiltImage
    processor: BuiltImage

    def image(self, name: str) -> BuiltImage:
        """Return one of them."""
        return self.injector if name == "injector" else self.processor


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """A place to build in, with the bases; shared by the processes of a test run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with shared_workshop(shared / "images") as workshop:
        with once(workshop.folder / "prepared") as undone:
            if undone:
                workshop.prepare()
        yield workshop


@pytest.fixture(scope="module")
def built(workshop: Workshop) -> Built:
    """Build both images, and pin them in a copy of the manifests."""
    with once(workshop.folder / "built") as undone:
        if undone:
            output = workshop.folder / "first"
            workshop.build(f"--output={output}", f"--pin={workshop.cluster / 'kustomization.yaml'}")
    injector, processor = (
        BuiltImage(workshop.folder / "first" / name) for name in (INJECTOR, PROCESSOR)
    )
    return Built(injector, processor)


@can_build
def test_what_is_built_again_and_pushed_is_the_same(
    workshop: Workshop, built: Built, tmp_path: Path
) -> None:
    cluster = shutil.copy(workshop.cluster / "kustomization.yaml", tmp_path)
    with running_registry(tmp_path / "registry") as (registry, authority):
        workshop.build(
            "--only=injector", "--push", f"--pin={cluster}", registry=registry, authority=authority
        )
        tls = ssl.create_default_context(cafile=authority)
        address = f"https://{registry}/v2/{INJECTOR}/manifests/{built.injector.digest}"
        assert httpx.head(address, verify=tls, headers={"Accept": INDEX}).status_code == 200
    entry = f"    newName: {registry}/{INJECTOR}\n    digest: {built.injector.digest}\n"
    assert entry in Path(cluster).read_text()


@can_build
def test_what_was_built_is_what_the_cluster_runs(workshop: Workshop, built: Built) -> None:
    documents = render(workshop.cluster)
    ran = container(*pod_templates(find(documents, "Deployment")), "processor")["image"]
    injected = find(documents, "ConfigMap", "primus-lens-inject")["data"]["image"]
    assert ran == f"registry.example.com/primus-lens/{PROCESSOR}@{built.processor.digest}"
    assert injected == f"registry.example.com/primus-lens/{INJECTOR}@{built.injector.digest}"


@can_build
@of_both
def test_an_image_has_what_manifests_count_on(built: Built, name: str) -> None:
    image = built.image(name)
    assert image.config["User"] == "65532:65532"
    assert image.environ["PATH"] == "/usr/local/bin"
    assert image.config["Entrypoint"] == ["primus-lens-wandb"]
    if name == "injector":
        assert image.config["Cmd"] == ["inject", "--best-effort", "/primus-lens"]
    else:
        assert image.config["Cmd"] == ["serve"]
        assert image.environ["PRIMUS_LENS_PROCESSOR_HOST"] == "0.0.0.0"
        assert list(image.config["ExposedPorts"]) == ["8080/tcp"]


@can_build
@of_both
def test_an_image_says_what_it_was_built_from(built: Built, name: str) -> None:
    image = built.image(name)
    prefix = "org.opencontainers.image."
    labels = {label.removeprefix(prefix): value for label, value in image.config["Labels"].items()}
    commit = subprocess.check_output(["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], text=True)
    assert labels["revision"].removesuffix("-dirty") == commit.strip()
    assert labels["created"] == image.created
    assert labels["version"]
    assert labels["title"]
    assert labels["description"]


@can_build
@of_both
def test_an_image_has_no_shell_and_nothing_that_its_user_may_change_or_become(
    built: Built, name: str
) -> None:
    files = built.image(name).files()
    tools = "sh bash busybox apt dpkg apk pip pip3 gcc cc ldd su mount".split()
    assert not {*tools} & {Path(file.name).name for file in files}
    assert not [file.name for file in files if "/ensurepip/" in file.name or "/pip/" in file.name]
    assert {(file.uid, file.gid) for file in files} == {(0, 0)}
    own = [file for file in files if not file.issym()]
    assert not [file.name for file in own if file.mode & (stat.S_ISUID | stat.S_ISGID | 0o022)]
    assert not [file.name for file in own if file.mode & 0o444 != 0o444]
    assert len({file.mtime for file in files}) == 1  # the commit's
    assert built.image(name).size < 40e6


@can_build
@of_both
def test_an_image_has_the_package_as_it_is_here(built: Built, name: str, tmp_path: Path) -> None:
    built.image(name).unpack(tmp_path / "root")
    (site,) = tmp_path.glob("root/usr/local/lib/python3*/site-packages")
    sources = [path.relative_to(REPOSITORY) for path in (REPOSITORY / PACKAGE).rglob("*.py")]
    assert len(sources) > 50
    assert not [
        path for path in sources if (site / path).read_bytes() != (REPOSITORY / path).read_bytes()
    ]


@can_build
def test_the_injector_fills_a_volume_for_every_python_that_it_was_built_with(
    built: Built, tmp_path: Path
) -> None:
    image, volume = built.injector, tmp_path / "volume"
    image.unpack(tmp_path / "root")
    volume.mkdir()
    volume.chmod(0o777)  # as an emptyDir
    command = [*image.config["Entrypoint"], *image.config["Cmd"]]
    mounts = {"/primus-lens": volume}

    done = subprocess.run(
        enter(tmp_path / "root", command, image.environ, user=NOBODY, volumes=mounts),
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    sources = {str(path.relative_to(volume).with_suffix("")) for path in volume.rglob("*.py")}
    for version in SUPPORTED:
        prefix, tag = find_python(version), f"cpython-{version.replace('.', '')}"
        if prefix is not None:
            caches = [path.relative_to(volume) for path in volume.rglob(f"*.{tag}.pyc")]
            assert {str(path.parent.parent / path.name.split(".")[0]) for path in caches} == sources
            assert f"{tag}.pyc" in _loaded(prefix / f"bin/python{version}", volume)


def _loaded(python: Path, folder: Path) -> str:
    """Return where an interpreter has the package's code from."""
    code = f"import {PACKAGE}"
    said = subprocess.run(
        [str(python), "-v", "-c", code],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    found = re.search(rf"code object from '?({folder}/{PACKAGE}/\S*)", said.stderr)
    assert found, said.stderr
    return found[1]


@can_build
def test_the_processor_serves_and_stores(built: Built, tmp_path: Path) -> None:
    image, volume = built.processor, tmp_path / "volume"
    image.unpack(tmp_path / "root")
    volume.mkdir()
    os.chown(volume, NOBODY, NOBODY)
    environ = {**image.environ, "PRIMUS_LENS_PROCESSOR_DB": "/data/processor.db"}
    command = [*image.config["Entrypoint"], *image.config["Cmd"]]
    mounts = {"/data": volume}
    server = Server(
        subprocess.Popen(
            enter(tmp_path / "root", command, environ, user=NOBODY, volumes=mounts),
            stderr=subprocess.PIPE,
            text=True,
        )
    )

    assert "//0.0.0.0:8080," in server.greeting
    body = metrics(point("loss", 0.5), point("loss", 0.25, step=1))
    script = f"""
import httpx

client = httpx.Client(base_url="http://127.0.0.1:8080", trust_env=False)
assert client.get("/ready").status_code == 200
assert client.post("/api/v1/wandb/metrics", json={body!r}).is_success
(run,) = client.get("/api/v1/runs").json()["data"]["runs"]
print(run["points"])
"""
    client = ["nsenter", f"--target={server.process.pid}", "--net", sys.executable, "-c", script]
    assert subprocess.check_output(client, text=True).strip() == "2"
    assert server.stop() == 0


@can_build
def test_the_processor_can_speak_to_postgresql(built: Built, tmp_path: Path) -> None:
    built.processor.unpack(tmp_path / "root")
    command = ["python", "-c", "import psycopg; print(psycopg.pq.__impl__)"]
    entered = enter(tmp_path / "root", command, built.processor.environ, user=NOBODY, volumes={})
    assert subprocess.check_output(entered, text=True).strip() == "binary"
