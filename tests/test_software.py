"""Versions of the packages that matter."""

from __future__ import annotations

from pathlib import Path

from primus_lens_wandb_exporter import __version__
from primus_lens_wandb_exporter.evidence import Probe, software
from primus_lens_wandb_exporter.evidence.probe import normal_name

OURS = {"primus-lens-wandb-exporter": __version__}


def image(tmp_path: Path, *distributions: str) -> Probe:
    """Return a world with these distributions installed."""
    for distribution in distributions:
        (tmp_path / distribution).mkdir(parents=True)
    return Probe(environ={}, modules={}, root=str(tmp_path), search_path=[str(tmp_path)])


def test_an_empty_image_has_but_the_one_that_looks(tmp_path: Path) -> None:
    """Injected, it is no installed package; and the one installed may not be the one that runs."""
    assert software.collect(image(tmp_path / "a")) == OURS
    other = image(tmp_path / "b", "primus_lens_wandb_exporter-99.0.dist-info")
    assert software.collect(other) == OURS


def test_only_packages_that_matter_are_named_however_they_are_spelled(tmp_path: Path) -> None:
    probe = image(
        tmp_path,
        "torch-2.9.0+rocm6.4.dist-info",
        "flash_attn-2.8.3.dist-info",
        "Pytorch_Lightning-2.5.0.egg-info",
        "our_secret_project-1.0.dist-info",
    )
    assert software.collect(probe) == {
        **OURS,
        "torch": "2.9.0+rocm6.4",
        "pytorch-lightning": "2.5.0",
        "flash-attn": "2.8.3",
    }


def test_every_name_is_a_normal_one_and_stands_once() -> None:
    assert [normal_name(name) for name in software.PACKAGES] == list(software.PACKAGES)
    assert len(set(software.PACKAGES)) == len(software.PACKAGES)


def test_this_environment_has_its_own_versions() -> None:
    import wandb

    assert software.collect(Probe())["wandb"] == wandb.__version__
