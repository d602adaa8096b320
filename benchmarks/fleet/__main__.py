"""`python -m benchmarks.fleet`: a fleet that grows, and whose processor goes away and comes back."""

from __future__ import annotations

import argparse
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from tests.support.postgres import Postgres, postgres_server

from ..pairs import summarise
from ..processor.cores import CLIENT, SERVER, on_core
from ..table import Row, render
from ..workshop import Workshop
from .database import is_postgres, log_written, sizes
from .fleet import Fleet, cpu_seconds, fleet
from .ledger import Ledger, balance
from .replicas import Replica, replicas
from .stretches import Clock, Restart, Stretch

_SIZES = (500, 1000)  # at which the growing fleet is looked at
_SETTLING = 5.0  # seconds after that, until it is looked at
_AWAY = 5.0  # seconds that a processor is gone
_RECOVERY = 2  # times `--seconds`, until the next thing is done to it
_DRAIN = 120.0  # seconds for what waits at the end


def main() -> int:
    """Measure and print; return 1 if anything was lost, doubled or unclear."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--exporters", type=int, default=10_000, help="in the end (default: 10000)")
    parser.add_argument("--seconds", type=float, default=15, help="of each stretch (default: 15)")
    parser.add_argument(
        "--flush-interval", type=float, default=30, help="FLUSH_INTERVAL of the exporters (default: 30)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=100, help="BATCH_SIZE of the exporters (default: 100)"
    )
    parser.add_argument(
        "--growth", type=float, default=100, help="pods that start in a second (default: 100)"
    )
    parser.add_argument("--connections", type=int, default=0, help="CONNECTIONS of the processor")
    parser.add_argument(
        "--postgres", action="store_true", help="two processors on PostgreSQL instead of SQLite"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as C-c does: nobody is left behind
    with Workshop() as workshop:
        sections = _measure(workshop.folder, options)
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"Python {platform.python_version()}, {platform.machine()}, {load}\n")
    print(render(sections))
    return int(any(row.verdict == "OVER" for _, rows in sections for row in rows))


def _measure(folder: Path, options: argparse.Namespace) -> list[tuple[str, Sequence[Row]]]:
    with ExitStack() as stack:
        database = str(folder / "fleet.db")
        using: Callable[[], float] = float  # SQLite takes its time in the processor
        if options.postgres:
            with on_core(SERVER):
                server = stack.enter_context(postgres_server(settings=()))
            database = stack.enter_context(server.database())
            using = partial(_cpu_of, server)
        log_before = log_written(database) if is_postgres(database) else 0.0
        names = [database] * (2 if options.postgres else 1)
        processors = stack.enter_context(replicas(folder, names, options.connections))
        urls = [f"{processor.url}/api/v1" for processor in processors]
        with on_core(CLIENT):
            settings = {
                "PRIMUS_LENS_WANDB_FLUSH_INTERVAL": str(options.flush_interval),
                "PRIMUS_LENS_WANDB_BATCH_SIZE": str(options.batch_size),
            }
            pods = stack.enter_context(fleet(folder, options.exporters, urls, settings))
        seen = list(_watch(pods, processors, Clock(pods, processors, using), options))
        pods.rest(_DRAIN)
        logbook = pods.end()
        ended_badly = sum(processor.end() != 0 for processor in processors)
        ledger = balance(database, logbook.pods)
        peak = max(processor.peak for processor in processors)
        disk = list(_disk_rows(database, log_before, ledger.stored))
        sections = [(part.title, list(part.rows(logbook))) for part in seen]
        late = Row("a log call came late, at most", summarise([logbook.latest]), "s")
        memory = Row("memory of a processor, peak", summarise([peak]), "MiB")
        status = Row("processors that ended badly", summarise([ended_badly]), "", 0)
        return [*sections, ("In all", [*_balance_rows(ledger), *disk, memory, status, late])]


def _watch(
    pods: Fleet, processors: Sequence[Replica], clock: Clock, options: argparse.Namespace
) -> Iterator[Stretch | Restart]:
    """Let the fleet grow, then let its processors go away, first in peace."""
    whole, seconds = options.exporters, options.seconds
    there = 0
    for size in [size for size in _SIZES if size < whole]:
        pods.grow(size, (size - there) / options.growth)
        time.sleep(_SETTLING)
        there = size
        yield clock.stretch(f"{size} pods", size, lambda: time.sleep(seconds))
        _tell(f"{size} pods")
    growing = (whole - there) / options.growth
    title = f"from {there} to {whole} pods within {growing:.0f} s"
    yield clock.stretch(title, whole, lambda: pods.grow(whole, growing))
    time.sleep(_SETTLING)
    yield clock.stretch(f"{whole} pods", whole, lambda: time.sleep(seconds))
    _tell(f"{whole} pods")
    for number in (signal.SIGTERM, signal.SIGKILL):
        gone = time.monotonic()
        for processor in processors:
            processor.end(number)
        time.sleep(_AWAY)
        for processor in processors:
            processor.start()
        back = time.monotonic()
        time.sleep(_RECOVERY * seconds)
        yield Restart(f"{number.name}, and back", whole, gone, back, time.monotonic())
        _tell(number.name)


def _balance_rows(ledger: Ledger) -> Iterator[Row]:
    def row(what: str, value: int, most: int | None = None) -> Row:
        return Row(what, summarise([value]), "", most)

    yield row("points logged", ledger.logged)
    yield row("points stored", ledger.stored)
    yield row("points missing that no exporter tells of", ledger.missing, 0)
    yield row("points stored twice, or never logged", ledger.doubled, 0)
    yield row("dropped, as the exporters tell", sum(ledger.dropped.values()), 0)
    for reason, count in ledger.dropped.items():
        yield row(f"… {reason}", count)
    yield row("waited in pods that had ended, as they tell", ledger.pending, 0)
    yield row("pods without one detection record and a beginning", ledger.unannounced, 0)
    yield row("pods without an end", ledger.unended, 0)


def _disk_rows(database: str, log_before: float, points: int) -> Iterator[Row]:
    for what, size in sizes(database):
        yield Row(f"on disk, {what}", summarise([size]), "bytes")
    if is_postgres(database):
        written = log_written(database) - log_before
        yield Row("PostgreSQL's log, a point", summarise([written / max(1, points)]), "bytes")


def _cpu_of(server: Postgres) -> float:
    """Return the CPU seconds of a PostgreSQL and of its processes, those that have ended too."""
    parent = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    seconds = 0.0
    for pid in (parent, *children):
        with suppress(
            FileNotFoundError, ProcessLookupError
        ):  # it has just ended: the parent's from now on
            seconds += cpu_seconds(int(pid))
    return seconds


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
