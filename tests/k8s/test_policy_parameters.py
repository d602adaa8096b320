"""Parameters of the policy that make no sense are refused when they are applied, by name."""

from __future__ import annotations

import pytest

from ..support.cluster.admission import Document, complaints
from ..support.cluster.manifests import K8S, render
from ..support.cluster.policy_samples import policy


def refused(params: Document) -> list[str]:
    return complaints(render(K8S / "policy"), params)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"image": "registry.team.test/injector@sha256:0", "pods": "all"},
        {"cpu": "1", "memory": "1.5Gi", "user": None},
        {"cpu": None, "memory": None, "pods": None, "workload_key": None, "settings": None},
        {"image_pythonpath": None, "images": None},
        {"image_pythonpath": "nemo", "images": "listed"},
        {"image_pythonpath": ""},
        {"image_pythonpath": "# none\n\n  r.example:5000/a/b:1 \t/a:/b: # both\r\nnemo@sha256:0 rel"},
    ],
)
def test_parameters_that_make_sense_are_taken(data: dict[str, str | None]) -> None:
    params = policy(**data).params
    assert params is not None
    assert refused(params) == []


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"image": None}, "image: no registry of yours"),
        ({"image": "primus-lens-wandb-injector"}, "image: no registry of yours"),
        ({"image": "registry.example.com/primus-lens/injector:0"}, "image: no registry of yours"),
        ({"api_base_url": "processor:8080"}, "api-base-url: no URL"),
        ({"pods": "gpus"}, "pods: gpu or all"),
        ({"images": "some"}, "images: all or listed"),
        ({"gpu_resources": None}, "gpu-resources: missing"),
        ({"user": "root"}, "user: no number"),
        ({"user": "0"}, "user: no number"),
        ({"user": "99999999999"}, "user: no number"),
        ({"image": " registry.team.test/injector:1"}, "image: no registry of yours"),
        ({"settings": "Not_A_Name"}, "settings: no name"),
        ({"cpu": "-1"}, "cpu, memory: no quantity"),
        ({"memory": "64 MiB"}, "cpu, memory: no quantity"),
        ({"gpu_resource": "amd"}, "gpu-resource: unknown; known are image, api-base-url, "),
    ],
)
def test_parameters_are_refused_by_name(data: dict[str, str | None], complaint: str) -> None:
    params = policy(**data).params
    assert params is not None
    (said,) = refused(params)
    assert said.startswith(complaint)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nemo /a  /b", "nemo /a /b"),
        ("/a", "/a"),
        ("/a nemo", "/a nemo"),
        ("nemo=/a", "nemo=/a"),
        ("docker://nemo /a", "docker://nemo /a"),
    ],
)
def test_a_line_that_is_no_image_and_path_is_refused(line: str, said: str) -> None:
    params = policy(image_pythonpath=f"# a\nnemo:1 /a\nnemo:2 # none\n{line}\n").params
    assert params is not None
    (complaint,) = refused(params)
    assert complaint == f"image-pythonpath: no line of an image, and perhaps its path: {said}"


def test_no_other_config_map_is_looked_at() -> None:
    assert refused({"metadata": {"name": "other"}, "data": {"anything": "goes"}}) == []


def test_what_the_policy_reads_is_what_its_parameters_may_be() -> None:
    documents = render(K8S / "policy")
    (params,) = [document for document in documents if document["kind"] == "ConfigMap"]
    for key in params["data"]:
        assert key in str([each["spec"] for each in documents if each["kind"].startswith("Mutating")])
        assert refused({**params, "data": {**params["data"], f"{key}s": ""}}) != []
