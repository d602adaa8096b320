"""The machine, as far as the standard library knows it without starting anything."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from .probe import Probe


def collect(probe: Probe) -> dict[str, Any]:
    """Return host, interpreter and processor count."""
    uname = os.uname()
    return {
        "system": {
            "platform": f"{uname.sysname}-{uname.release}-{uname.machine}",
            "python_version": platform.python_version(),
            "python_implementation": sys.implementation.name,
            "hostname": uname.nodename,
        },
        "compute.cpu_count": os.cpu_count() or 0,
        "compute.cpu_architecture": uname.machine,
    }
