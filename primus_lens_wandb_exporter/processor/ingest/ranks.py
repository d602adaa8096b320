"""Which of the processes that train together one is, by what launchers tell them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAMES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")


def find_rank(environ: Mapping[str, str]) -> int | None:
    """Return the rank that the first of those variables tells; None: there is none."""
    told = (environ.get(name, "").strip() for name in _NAMES)
    return next((int(text) for text in told if re.fullmatch("[0-9]{1,9}", text)), None)
