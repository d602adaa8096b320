"""What a checkout is: its version, commit and time."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Checkout:
    """What is built: version, commit, and its time in Unix seconds, which all files get."""

    version: str
    revision: str
    epoch: int

    @property
    def labels(self) -> dict[str, str]:
        """Return the build arguments that become labels."""
        created = datetime.fromtimestamp(self.epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"VERSION": self.version, "REVISION": self.revision, "CREATED": created}


def read_checkout() -> Checkout:
    """Describe this checkout.

    Raises:
        SystemExit: it is no git checkout, and SOURCE_DATE_EPOCH is not set either.
    """
    code = (REPOSITORY / "primus_lens_wandb_exporter/__init__.py").read_text()
    version = re.search(r'__version__ = "(.+)"', code)
    assert version is not None
    epoch = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct")
    if not epoch:
        raise SystemExit(
            "no git checkout: set SOURCE_DATE_EPOCH, the time (Unix seconds) that files shall have"
        )
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    built_of = [line[1:] for line in ignored if line.startswith("!")]
    changed = "-dirty" if _git("status", "--porcelain", "--", *built_of) else ""
    return Checkout(version[1], _git("rev-parse", "HEAD") + changed, int(epoch))


def _git(*arguments: str) -> str:
    """Return what git answers, empty if this is no checkout or git is missing."""
    try:
        done = subprocess.run(["git", "-C", str(REPOSITORY), *arguments], capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
