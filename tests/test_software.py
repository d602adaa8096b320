"""Versions of the packages that matter, and of ROCm."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from primus_lens_wandb_exporter.evidence import Probe, software
from primus_lens_wandb_exporter.evidence.probe import normal_name


def image(tmp_path: Path, *distributions: str, rocm: str | None = None, hip: object = None) -> Probe:
    """Return a world with these distributions installed."""
    for distribution in distributions:
        (tmp_path / "site-packages" / distribution).mkdir(parents=True)
    if rocm is not None:
        (tmp_path / "opt/rocm/.info").mkdir(parents=True)
        (tmp_path / "opt/rocm/.info/version").write_text(rocm)
    version = ModuleType("torch.version")
    vars(version)["hip"] = hip
    return Probe(
        environ={},
        modules={"torch.version": version},
        root=str(tmp_path),
        search_path=[str(tmp_path / "site-packages")],
    )


def test_an_empty_image_has_no_packages(tmp_path: Path) -> None:
    assert software.collect(image(tmp_path)) == {"packages": {}}


def test_only_packages_that_matter_are_named_however_they_are_spelled(tmp_path: Path) -> None:
    probe = image(
        tmp_path,
        "torch-2.9.0+rocm6.4.dist-info",
        "flash_attn-2.8.3.dist-info",
        "Pytorch_Lightning-2.5.0.egg-info",
        "our_secret_project-1.0.dist-info",
    )
    assert software.collect(probe) == {
        "packages": {"torch": "2.9.0+rocm6.4", "pytorch-lightning": "2.5.0", "flash-attn": "2.8.3"}
    }


@pytest.mark.parametrize(
    ("rocm", "hip", "version"),
    [
        ("6.4.1-83\n", "6.4.43482", "6.4.1-83"),
        ("6.4.1\nmore\n", None, "6.4.1"),
        (None, "6.4.43482", "6.4.43482"),
        ("", "6.4.43482", "6.4.43482"),
        ("x" * 1000, None, "x" * 64),
    ],
)
def test_rocm_is_that_of_the_image_else_that_of_torch(
    tmp_path: Path, rocm: str | None, hip: object, version: str
) -> None:
    assert software.collect(image(tmp_path, rocm=rocm, hip=hip))["rocm_version"] == version


@pytest.mark.parametrize("hip", [None, 6, ""])
def test_without_rocm_nothing_is_said_of_it(tmp_path: Path, hip: object) -> None:
    assert "rocm_version" not in software.collect(image(tmp_path, hip=hip))


def test_every_name_is_a_normal_one_and_stands_once() -> None:
    assert [normal_name(name) for name in software.PACKAGES] == list(software.PACKAGES)
    assert len(set(software.PACKAGES)) == len(software.PACKAGES)


def test_this_environment_has_its_own_versions() -> None:
    import wandb

    assert software.collect(Probe())["packages"]["wandb"] == wandb.__version__
