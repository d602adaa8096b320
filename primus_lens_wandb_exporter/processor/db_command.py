"""`primus-lens-wandb db`: how much a database holds, its room given back, a run's points as a file."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from .export import CannotExport, write_points
from .settings import BadSetting, load
from .store import Full, Store, StoreError
from .store.identity import run_id
from .store.location import is_url, open_store, show

_LISTED = 10  # runs that an error names
_PAGE = 500


class _Mistake(Exception):
    """What the user is to be told."""


def perform(options: argparse.Namespace) -> int:
    """Do what the command line says; return the exit status: 1, it cannot be done; 2, a bad setting."""
    try:
        place = load(options={"db": options.db}).db
    except BadSetting as error:
        return _fail(str(error), 2)
    if options.verb == "vacuum":
        _find_room_for_a_copy(place)
    try:
        with closing(_open(place)) as store:
            if options.verb == "stats":
                _show(show(place), store.sizes(), as_json=options.json)
            elif options.verb == "vacuum":
                _vacuum(show(place), store)
            else:
                _export(store, options)
    except (CannotExport, Full, StoreError, _Mistake) as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    return 0


def _open(place: str) -> Store:
    if not is_url(place) and not os.path.exists(place):
        raise _Mistake(f"there is no database {place}; choose one with --db")
    return open_store(place)


def _find_room_for_a_copy(place: str) -> None:
    """Where nothing takes temporary files, as with a read-only root, name the database's folder.

    Before SQLite is used at all: it may ask for SQLITE_TMPDIR only then.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        if not is_url(place):
            os.environ.setdefault("SQLITE_TMPDIR", os.path.dirname(os.path.abspath(place)))


def _show(place: str, sizes: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"db": place, **sizes}, indent=2))
        return
    size, free = sizes.pop("bytes"), sizes.pop("free_bytes")
    print(place)
    for name, count in sizes.items():
        print(f"  {name.replace('_', ' '):<12}{count:>15,}")
    print(f"  {'size':<12}{human(size):>15}")
    print(f"  {'free of it':<12}{human(free):>15}")


def human(size: float) -> str:
    """Return a number of bytes as a person reads it."""
    if size < 1024:
        return f"{size:.0f} B"
    units = ("KiB", "MiB", "GiB", "TiB")
    power = min(max(int(size).bit_length() - 1, 10) // 10, len(units))
    return f"{size / 1024**power:.1f} {units[power - 1]}"


def _vacuum(place: str, store: Store) -> None:
    before = store.sizes()["bytes"]
    try:
        store.vacuum()
    except Full:
        raise _Mistake(
            f"no room to write {place} anew, which needs twice its size: make room on its disk, or let "
            "SQLITE_TMPDIR name a folder that has it"
        ) from None
    after = store.sizes()["bytes"]
    given_back = max(before - after, 0)  # PostgreSQL's maps of free room may be more than that
    print(f"{place}: {human(given_back)} of {human(before)} given back")


def _export(store: Store, options: argparse.Namespace) -> None:
    run = _find(store, options.run.encode(errors="replace").decode())  # a shell passes any bytes
    output = options.output
    kind = options.format or ("parquet" if str(output).endswith(".parquet") else "csv")
    output = output or f"{_file_name(run)}.{kind}"
    points = _watched(store.export(run["id"]), run["points"])
    count = write_points(points, output, kind, force=options.force)
    if output != "-":
        print(f"{count:,} points of {_title(run)} in {output}, {human(os.path.getsize(output))}")


def _file_name(run: dict[str, Any]) -> str:
    name = run["run_id"] or run["workload"]
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    return name.lstrip(".") or "run"


def _watched(points: Iterator[Any], count: int) -> Iterator[Any]:
    """Show how far it is, where somebody looks and `tqdm` is installed."""
    try:
        from tqdm import tqdm  # type: ignore[import-untyped]
    except ImportError:
        return points
    return iter(tqdm(points, total=count, unit=" points", unit_scale=True, disable=None))


def _find(store: Store, text: str) -> dict[str, Any]:
    """Return the run that is meant.

    Raises:
        _Mistake: there is none, or more than one; the message names what there is.
    """
    now = time.time_ns() // 1000
    parts = text.split("/")
    numbers = [run_id("/".join(parts[:cut]), "/".join(parts[cut:])) for cut in range(1, len(parts))]
    if len(text) == 16:
        try:
            numbers.append(int(text, 16))
        except ValueError:
            pass
    known = [run for run in (store.run(number, now) for number in numbers if number < 1 << 63) if run]
    found = {run["id"]: run for run in (*known, *_by_name(store, text, now))}
    if len(found) == 1:
        return next(iter(found.values()))
    if found:
        raise _Mistake(f"{text!r} may be any of these, so say which:{_listed(list(found.values()))}")
    latest = store.runs(now, limit=_LISTED)["runs"]
    there = f"; there are, seen last:{_listed(latest)}" if latest else "; the database holds no run"
    raise _Mistake(f"there is no run {text!r}{there}")


def _by_name(store: Store, text: str, now: int) -> Iterator[dict[str, Any]]:
    """Yield the runs whose id is the text."""
    offset = 0
    while True:
        page = store.runs(now, search=text, limit=_PAGE, offset=offset)["runs"]
        yield from (run for run in page if run["run_id"] == text)
        if len(page) < _PAGE:
            return
        offset += _PAGE


def _listed(runs: list[dict[str, Any]]) -> str:
    shown = [
        f"\n  {run['id']:016x}  {_title(run)}  {_plain(run['name'])}".rstrip() for run in runs[:_LISTED]
    ]
    return "".join(shown) + ("\n  …" if len(runs) > _LISTED else "")


def _title(run: dict[str, Any]) -> str:
    return _plain(f"{run['workload']}/{run['run_id']}")


def _plain(text: str) -> str:
    """Return a text that can do nothing to a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _fail(message: str, status: int) -> int:
    print(f"primus-lens-wandb: {message}", file=sys.stderr)
    return status
