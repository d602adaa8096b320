"""The colours of lines: told apart by everyone, and seen on their ground, in both themes."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence

import pytest

from primus_lens_wandb_exporter.processor.page import STATIC

# How colours are seen (linear RGB): Machado, Oliveira, Fernandes 2009, at full severity.
SIGHTS = {
    "usual": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
XYZ = ((0.4339, 0.3762, 0.1899), (0.2126, 0.7152, 0.0722), (0.0177, 0.1095, 0.8728))  # of white: 1, 1, 1
Colour = Sequence[float]


def theme(name: str) -> dict[str, Colour]:
    """Return the custom properties of a theme that are colours, in linear RGB."""
    light, dark = (STATIC / "style.css").read_text().split("@media (prefers-color-scheme: dark)", 1)
    found = re.findall(r"--([a-z0-9-]+): #([0-9a-f]{6});", light if name == "light" else dark)
    return {key: [linear(int(text[at : at + 2], 16) / 255) for at in (0, 2, 4)] for key, text in found}


def linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def times(matrix: Sequence[Colour], colour: Colour) -> Colour:
    return [min(1.0, max(0.0, sum(a * b for a, b in zip(row, colour)))) for row in matrix]


def lab(colour: Colour) -> Colour:
    """Return the colour in CIE L*a*b*, in which distances are as they look."""
    x, y, z = (
        part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in times(XYZ, colour)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("name", ["light", "dark"])
def test_lines_are_told_apart(name: str, sight: str) -> None:
    seen = [lab(times(SIGHTS[sight], theme(name)[f"line-{index}"])) for index in range(8)]
    assert min(math.dist(one, other) for one, other in itertools.combinations(seen, 2)) > 12


@pytest.mark.parametrize("name", ["light", "dark"])
def test_lines_are_seen_on_their_ground(name: str) -> None:
    """WCAG 2.1, 1.4.11: a contrast of 3 to 1."""
    colours = theme(name)
    ground = times(XYZ, colours["surface"])[1]
    for index in range(8):
        line = times(XYZ, colours[f"line-{index}"])[1]
        assert (max(line, ground) + 0.05) / (min(line, ground) + 0.05) > 3
