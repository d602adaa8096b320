"""`python -m benchmarks.processor`: what our telemetry-processor achieves, beside the bare database."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.postgres import Postgres, postgres_server

from ..pairs import summarise
from ..table import Row, render
from ..workshop import Workshop
from . import ingest, peers, questions
from .cores import SERVER, on_core
from .databases import Database

Section = tuple[str, Sequence[Row]]


def main() -> int:
    """Measure and print; return 1 if a budget is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processor", description=__doc__)
    parser.add_argument(
        "--postgres", action="store_true", help="PostgreSQL instead of SQLite, without peers"
    )
    parser.add_argument("--seconds", type=float, default=60, help="of load (default: 60)")
    parser.add_argument("--no-peers", action="store_true", help="leave trackio and mlflow out")
    parser.add_argument("--peers", type=Path, metavar="PYTHON", help="a Python that has them already")
    options = parser.parse_args()
    with Workshop() as workshop, _postgres(options.postgres) as postgres:
        sections = list(_measure(workshop, postgres, options))
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"Python {platform.python_version()}, {platform.machine()}, {load}\n")
    print(render(sections))
    return int(any(row.verdict in ("OVER", "UNDER") for _, rows in sections for row in rows))


def _measure(
    workshop: Workshop, postgres: Postgres | None, options: argparse.Namespace
) -> Iterator[Section]:
    with _database(workshop, postgres, "load") as database, _told("load"):
        yield ingest.title(database), list(ingest.measure(database, options.seconds))
    with _database(workshop, postgres, "questions") as database:
        with _told("twelve million points"):
            seconds = questions.fill(database)
        with _told("questions"):
            asked = list(questions.measure(database))
    rate = Row("stored in one process, without HTTP", summarise([questions.TOTAL / seconds]), "points/s")
    yield (
        f"{database.name}: answers over HTTP, {questions.TOTAL / 1e6:.0f} million points",
        [*asked, rate],
    )
    if not (options.no_peers or options.postgres):
        with _told("peers"):
            yield peers.TITLE, list(peers.measure(workshop, options.peers))


@contextmanager
def _postgres(wanted: bool) -> Iterator[Postgres | None]:
    """Run a PostgreSQL as it is by default, on the server's core, if it is wanted."""
    if not wanted:
        yield None
        return
    with ExitStack() as stack:
        with on_core(SERVER):
            server = stack.enter_context(postgres_server(settings=()))
        yield server


@contextmanager
def _told(what: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def _database(workshop: Workshop, postgres: Postgres | None, name: str) -> Iterator[Database]:
    folder = workshop.folder / name
    folder.mkdir()
    if postgres is None:
        yield Database(folder)
        return
    with postgres.database() as url:
        yield Database(folder, url)


if __name__ == "__main__":
    sys.exit(main())
