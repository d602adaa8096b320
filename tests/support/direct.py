"""What scripts begin with that report without wandb, as the hook does with it."""

from __future__ import annotations

DIRECT = """
import os, sys, time
sys.path.insert(0, os.environ["PACKAGE_FOLDER"])
from primus_lens_wandb_exporter.exporter import get_exporter
from primus_lens_wandb_exporter.payloads import LogCall
exporter = get_exporter()
def log(name, count=5):
    for i in range(count):
        exporter.record(*LogCall("run-1", time.time(), i, {name: float(i)}, {}))
"""

FIVE = [(i, float(i)) for i in range(5)]  # the series of one `log(name)`
