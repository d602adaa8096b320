"""What an image sets as PYTHONPATH is kept where a parameter of the policy or an annotation says it."""

from __future__ import annotations

import pytest

from ..support.cluster.admission import Document
from ..support.cluster.container_env import Cluster, make_env
from ..support.cluster.policy_samples import TEAM, container, pod, policy

CLUSTER = Cluster([{"kind": "ConfigMap", "metadata": {"name": "paths"}, "data": {"PYTHONPATH": "/own"}}])
DIGEST = f"@sha256:{'0' * 64}"
NEMO = "registry.example.com:5000/team/nemo"
LINES = f"""
# image                         path
{NEMO}                          /opt/NeMo:/opt/Megatron-LM   # of all that are not below
{NEMO}:25.02 /opt/NeMo
{NEMO}:24.01{DIGEST} /exact
 \t{NEMO}{DIGEST}\t/digest:\r
# {NEMO}:comment /no
rocm/megatron /workspace
rocm/megatron /again
localhost:5000/a $(HOME)/lib
no-path
no-path # of an image
/an/image-it-is-not /no
"""


def paths(
    *containers: Document, lines: str | None = LINES, images: str | None = None, **metadata: Document
) -> list[str | None]:
    """Return the PYTHONPATH that each container sees besides what its image sets."""
    named = [{**each, "name": f"c{place}"} for place, each in enumerate(containers)]
    sample = pod(*named, metadata={"name": "sample", "uid": "u", "namespace": "team", **metadata})
    ours = policy(image_pythonpath=lines, images=images)
    mutated = ours.mutate(sample, TEAM)
    assert ours.mutate(mutated, TEAM) == mutated
    seen = [make_env(each, mutated, CLUSTER) for each in mutated["spec"]["containers"]]
    return [each.get("PYTHONPATH") for each in seen]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (NEMO, ":/opt/NeMo:/opt/Megatron-LM"),
        (f"{NEMO}:24.07", ":/opt/NeMo:/opt/Megatron-LM"),
        (f"{NEMO}:25.02", ":/opt/NeMo"),
        (f"{NEMO}:25.02{DIGEST}", ":/opt/NeMo"),
        (f"{NEMO}:24.01{DIGEST}", ":/exact"),
        (f"{NEMO}:24.01", ":/opt/NeMo:/opt/Megatron-LM"),
        (f"{NEMO}{DIGEST}", ":/digest:"),  # an empty entry is the working directory
        (f"{NEMO}@sha256:{'1' * 64}", ":/opt/NeMo:/opt/Megatron-LM"),
        (f"{NEMO}:comment", ":/opt/NeMo:/opt/Megatron-LM"),
        (f"{NEMO}-lite:25.02", ""),
        (f"mirror.example.com/{NEMO}", ""),
        ("nemo", ""),
        ("rocm/megatron:latest", ":/workspace"),
        ("docker.io/rocm/megatron", ""),
        ("localhost:5000/a", ":$(HOME)/lib"),
        ("localhost:5000", ""),
        ("no-path", ""),
        ("#", ""),
        (None, ""),
    ],
)
def test_the_line_counts_that_names_the_most_of_an_image(image: str | None, expected: str) -> None:
    sample = container(image=image)
    assert paths({key: sample[key] for key in sample if sample[key]}) == [f"/primus-lens{expected}"]


@pytest.mark.parametrize("lines", [None, "", "\n", "# nothing\n", "nemo", "nemo \n /opt", "nemo /a /b"])
def test_without_a_line_it_is_as_ever(lines: str | None) -> None:
    assert paths(container(image="nemo"), lines=lines) == ["/primus-lens"]


def test_each_container_has_the_path_of_its_own_image() -> None:
    containers = [container(image=NEMO), container(image="other"), container(image="rocm/megatron:1")]
    proxy = container(image=NEMO, resources={})
    assert paths(*containers, proxy) == [
        "/primus-lens:/opt/NeMo:/opt/Megatron-LM",
        "/primus-lens",
        "/primus-lens:/workspace",
        None,  # has no GPU, and is as it was
    ]


def test_what_the_pod_sets_has_replaced_the_path_of_its_image_already() -> None:
    own = {"name": "PYTHONPATH", "value": "/own"}
    reference = {"configMapKeyRef": {"name": "paths", "key": "PYTHONPATH"}}
    assert paths(
        container(image=NEMO, env=[own]),
        container(image=NEMO, env=[{**own, "value": ""}]),
        container(image=NEMO, env=[{"name": "PYTHONPATH", "valueFrom": reference}]),
    ) == ["/primus-lens:/own", "/primus-lens", "/primus-lens:/own"]


def test_behind_what_a_list_of_variables_may_set_comes_the_path_of_the_image() -> None:
    listed = container(image="rocm/megatron", envFrom=[{"configMapRef": {"name": "paths"}}])
    assert paths(listed) == ["/primus-lens:/own:/workspace"]


@pytest.mark.parametrize("kind", ["configMapKeyRef", "secretKeyRef"])
def test_behind_a_reference_to_what_may_be_missing_comes_what_there_is_without_it(kind: str) -> None:
    optional = {"name": "PYTHONPATH", "valueFrom": {kind: {"name": "no", "key": "no", "optional": True}}}
    missing = ":$(PRIMUS_LENS_WANDB_PYTHONPATH)"  # which our sitecustomize takes away
    sources = [{"configMapRef": {"name": "paths"}}]
    assert paths(
        container(image="rocm/megatron", env=[optional]),
        container(image="other", env=[optional]),
        container(image="rocm/megatron", env=[optional], envFrom=sources),
    ) == [
        f"/primus-lens{missing}:/workspace",
        f"/primus-lens{missing}",
        f"/primus-lens{missing}:/own:/workspace",
    ]
    listed = [container(image=image, env=[optional]) for image in ("rocm/megatron", "other")]
    assert paths(*listed, images="listed") == [f"/primus-lens{missing}:/workspace", None]


@pytest.mark.parametrize(("said", "expected"), [("/a:/b", "/primus-lens:/a:/b"), ("", "/primus-lens")])
def test_the_annotation_of_a_pod_goes_before_all_lines(said: str, expected: str) -> None:
    annotations = {"primus-lens/image-pythonpath": said}
    containers = [container(image=NEMO), container(image="other")]
    assert paths(*containers, annotations=annotations) == [expected, expected]


@pytest.mark.parametrize("images", ["listed", "Listed"])
def test_where_images_must_be_listed_no_other_may_lose_a_path(images: str) -> None:
    containers = [
        container(image=f"{NEMO}:24.07"),
        container(image="no-path:1"),
        container(image="unknown"),
        container(image="unknown", env=[{"name": "PYTHONPATH", "value": "/own"}]),
    ]
    assert paths(*containers, images=images) == [
        "/primus-lens:/opt/NeMo:/opt/Megatron-LM",
        "/primus-lens",
        None,
        "/primus-lens:/own",
    ]
    said = {"primus-lens/image-pythonpath": ""}
    assert paths(container(image="unknown"), images=images, annotations=said) == ["/primus-lens"]


def test_where_images_must_be_listed_a_pod_of_none_is_as_it_was() -> None:
    sample = pod(container(image="unknown"), container(image=NEMO, resources={}))
    assert policy(image_pythonpath=LINES, images="listed").mutate(sample, TEAM) == sample
    assert policy(image_pythonpath=LINES, images="all").mutate(sample, TEAM) != sample


def test_a_thousand_lines_are_read() -> None:
    lines = "\n".join(
        f"registry.example.com/team/image-{number} /opt/{number}" for number in range(1000)
    )
    image = "registry.example.com/team/image-999:1"
    assert paths(container(image=image), lines=lines) == ["/primus-lens:/opt/999"]
