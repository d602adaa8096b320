"""`python -m benchmarks [SECTION ...]`: the table of budgets with today's figures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib import import_module

from .table import render
from .workshop import Workshop

SECTIONS = ("startup", "init", "call", "burst", "worker", "memory", "exit")


def main() -> int:
    """Measure and print; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("section", nargs="*", help=f"{', '.join(SECTIONS)}; default: all")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to a file")
    parser.add_argument("--no-peers", action="store_true", help="leave other projects' tools out")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.section) - set(SECTIONS))
    if unknown:
        parser.error(f"no such section: {', '.join(unknown)}")
    measured = []
    with Workshop(peers=not arguments.no_peers) as workshop:
        for name in arguments.section or SECTIONS:
            module = import_module(f"benchmarks.{name}")
            started = time.monotonic()
            measured.append((module.TITLE, list(module.measure(workshop))))
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"Python {platform.python_version()}, {platform.machine()}, {load}\n")
    print(render(measured))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(
                {title: [row.as_dict() for row in rows] for title, rows in measured}, file, indent=1
            )
    return int(any(row.verdict == "OVER" for _, rows in measured for row in rows))


if __name__ == "__main__":
    sys.exit(main())
