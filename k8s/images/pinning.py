"""Images with their digests, as a kustomization's `images:` names them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Pin(NamedTuple):
    """The name that manifests use, where the image is, and which it is."""

    name: str
    image: str
    digest: str

    def __str__(self) -> str:
        """Return the entry, with a line end."""
        return f"  - name: {self.name}\n    newName: {self.image}\n    digest: {self.digest}\n"


def write_pins(file: Path, pins: Iterable[Pin]) -> None:
    """Replace the entries of images in a kustomization, and leave all else as it stands.

    Raises:
        SystemExit: it cannot be read or written, or has no entry of an image.
    """
    try:
        text = file.read_text()
        for pin in pins:
            entry = rf"^  - name: {pin.name}\n(?:    (?:newName|newTag|digest): .*\n)*"
            text, found = re.subn(entry, str(pin), text, flags=re.MULTILINE)
            if not found:
                raise SystemExit(f"{file}: expected an entry `  - name: {pin.name}` below `images:`")
        file.write_text(text)
    except OSError as error:
        raise SystemExit(f"{file}: {error.strerror}") from None
