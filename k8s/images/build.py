"""Build the two container images from this checkout, and say how to pin them.

    python3 k8s/images/build.py --registry registry.example.com/primus-lens [--push]

By buildah, podman or docker (buildx), whichever is found first. With --push their digests are written
into k8s/cluster/kustomization.yaml; without, each image becomes an OCI layout below dist/images, with
the digest that it will have in a registry.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from checkout import REPOSITORY, read_checkout
from pinning import Pin, write_pins

HERE = Path(__file__).resolve().parent
CONTAINERFILE = HERE / "Containerfile"
IMAGES = {"injector": "primus-lens-wandb-injector", "processor": "primus-lens-telemetry-processor"}
CLUSTER = REPOSITORY / "k8s/cluster/kustomization.yaml"
PINNED = re.compile(r"(PYTHON_3_\d+)=(\S+@sha256:[0-9a-f]{64})")


def main() -> None:
    """Build both, push and pin them if told, and print their digests.

    Raises:
        SystemExit: a base is not pinned, there is no builder, or one of its commands failed.
    """
    options = _parser().parse_args()
    checkout = read_checkout()
    arguments = {**read_bases(options.bases), **checkout.labels}
    builder = options.builder or next(filter(shutil.which, ("buildah", "podman", "docker")), None)
    if builder is None:
        raise SystemExit("found no buildah, podman or docker: install one of them")
    common = [f"--file={CONTAINERFILE}"]
    common += [f"--build-arg={name}={value}" for name, value in arguments.items()]
    common += [f"--platform={options.platform}"] if options.platform else []
    common += [f"--secret=id=pip.conf,src={options.pip_conf}"] if options.pip_conf else []
    common += [f"--secret=id=ca.crt,src={options.ca}"] if options.ca else []
    build = _build_by_docker if Path(builder).name == "docker" else _build_by_buildah
    pins = []
    for target in [options.only] if options.only else IMAGES:
        name = IMAGES[target]
        image = f"{options.registry}/{name}"
        layout = None if options.push else options.output / name
        digest = build(
            builder,
            [*common, f"--target={target}"],
            f"{image}:{checkout.version}",
            layout,
            checkout.epoch,
        )
        pins.append(Pin(name, image, digest))
        if layout is not None:
            size = sum(file.stat().st_size for file in layout.rglob("blobs/*/*"))
            print(f"{layout}: {size / 1e6:.1f} MB")
    print("\nimages:\n" + "".join(map(str, pins)))
    kustomization = options.pin or (CLUSTER if options.push else None)
    if kustomization is not None:
        write_pins(kustomization, pins)
        print(f"written into {kustomization}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Build the two container images from this checkout.")
    parser.add_argument(
        "--registry", required=True, type=_registry, help="such as registry.example.com/primus-lens"
    )
    parser.add_argument("--only", choices=IMAGES, help="build one of the two")
    parser.add_argument("--push", action="store_true", help="push both, with the version as tag")
    parser.add_argument("--pin", type=Path, help=f"kustomization for the digests; with --push {CLUSTER}")
    parser.add_argument("--platform", help="such as linux/amd64,linux/arm64 (default: this machine's)")
    parser.add_argument("--builder", help="buildah, podman or docker (default: the first that is found)")
    parser.add_argument("--bases", type=Path, default=HERE / "bases.env", help="what they are built on")
    parser.add_argument(
        "--output", type=Path, default=REPOSITORY / "dist/images", help="folder of the layouts"
    )
    parser.add_argument(
        "--pip-conf", type=Path, help="pip's configuration while building; it stays outside"
    )
    parser.add_argument("--ca", type=Path, help="certificates, which it may name as /run/secrets/ca.crt")
    return parser


def _registry(text: str) -> str:
    if not text or "://" in text:
        raise argparse.ArgumentTypeError("expected such as registry.example.com/primus-lens")
    return text.rstrip("/")


def read_bases(file: Path) -> dict[str, str]:
    """Return the base images, by the names of their build arguments.

    Raises:
        SystemExit: one is missing, or not named with its digest.
    """
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise SystemExit(f"{file}: {error.strerror}") from None
    bases = {}
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            pinned = PINNED.fullmatch(line.strip())
            if pinned is None:
                raise SystemExit(
                    f"{file}:{number}: {line}: expected an image with its digest "
                    "(@sha256: and 64 hex digits); `make bases` fills it in, see k8s/images/README.md"
                )
            bases[pinned[1]] = pinned[2]
    missing = {*re.findall(r"^ARG (PYTHON_\w+)$", CONTAINERFILE.read_text(), re.MULTILINE)} - {*bases}
    if missing:
        raise SystemExit(f"{file}: {', '.join(sorted(missing))}: not there")
    return bases


def _build_by_buildah(
    builder: str, options: Sequence[str], image: str, layout: Path | None, epoch: int
) -> str:
    """Build by buildah or podman, and return the digest of the image's index."""
    # It would grow, not be replaced.
    subprocess.run([builder, "manifest", "rm", image], capture_output=True)
    _run(builder, "build", *options, f"--timestamp={epoch}", f"--manifest={image}", str(REPOSITORY))
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "digest")
        place = f"docker://{image}" if layout is None else f"oci:{_emptied(layout)}"
        push = [builder, "manifest", "push", "--all", "--quiet", "--format=oci"]
        _run(*push, f"--digestfile={told}", image, place)
        digest = told.read_text().strip()
    if not digest:  # some releases of buildah fail without a word, and with status 0
        raise SystemExit(f"failed to write {place}: if it is a registry, try `{builder} login`")
    return digest


def _build_by_docker(
    builder: str, options: Sequence[str], image: str, layout: Path | None, epoch: int
) -> str:
    """Build by docker buildx, and return the digest of the image or its index."""
    place = (
        f"type=image,push=true,name={image}"
        if layout is None
        else f"type=oci,tar=false,dest={_emptied(layout)}"
    )
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "metadata.json")
        options = [*options, "--provenance=false", f"--metadata-file={told}"]
        options += [f"--build-arg=SOURCE_DATE_EPOCH={epoch}", f"--output={place},rewrite-timestamp=true"]
        _run(builder, "buildx", "build", *options, str(REPOSITORY))
        return str(json.loads(told.read_text())["containerimage.digest"])


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def _run(*command: str) -> None:
    if subprocess.run(command, stdin=subprocess.DEVNULL).returncode:
        raise SystemExit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
