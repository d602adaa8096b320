"""The store in one SQLite file, beside which nothing need be installed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .. import Delivery, Full, StoreError
from . import questions
from .iteration_times import ask_iterations
from .opening import connect, explain, open_database, roll_back
from .writing import write_deliveries

OF_THE_DATA = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)  # not of the file


class SqliteStore:
    """A store in the SQLite file at `path`, which is made where it is missing; its folder is not.

    One connection writes; each question takes a reading connection that is free, so there are as many as
    there were questions at one time, and none waits for the writer.

    A process that is killed loses nothing that `write` has answered; a machine that loses power may lose
    what was written since the last checkpoint, some 4 MiB, and is whole without (sqlite.org/wal.html).

    Raises:
        StoreError: the file cannot be used; it was left as it is.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path).absolute()
        self._writing = open_database(self._path)
        self._writing.execute("PRAGMA cache_size = -65536")  # KiB
        self._file = _identify(self._path)
        self._free: list[sqlite3.Connection] = []
        self._closed = False

    def write(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store deliveries in one transaction; return for each whether it was new. For one thread."""
        self._look_at_file()
        try:
            self._writing.execute("BEGIN IMMEDIATE")
            answers = write_deliveries(self._writing, deliveries)
            self._writing.execute("COMMIT")
        except BaseException as error:
            roll_back(self._writing)
            if isinstance(error, sqlite3.OperationalError) and "full" in str(error):
                raise Full(f"no room for the database {self._path}") from error
            if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, OF_THE_DATA):
                raise explain(error, self._path) from error
            raise
        return answers

    def detection(self, workload: str) -> dict[str, Any] | None:
        """Return the verdict of the most confident record, of equals the latest."""
        with self._reading() as connection:
            return questions.ask_detection(connection, workload)

    def sources(self, workload: str) -> list[dict[str, Any]]:
        """Return each data source with its count of points."""
        with self._reading() as connection:
            return questions.ask_sources(connection, workload)

    def available(self, workload: str, source: str = "") -> list[dict[str, Any]]:
        """Return each metric with its sources and its count of points."""
        with self._reading() as connection:
            return questions.ask_available(connection, workload, source)

    def points(
        self,
        workload: str,
        source: str = "",
        names: Sequence[str] = (),
        start: int | None = None,
        end: int | None = None,
        limit: int = 1_000_000,
    ) -> list[dict[str, Any]]:
        """Return the earliest `limit` points of the metrics, by time, name and step."""
        with self._reading() as connection:
            return questions.ask_points(connection, workload, source, names, start, end, limit)

    def iterations(
        self,
        workload: str,
        source: str = "",
        start: int | None = None,
        end: int | None = None,
        limit: int = 1_000_000,
    ) -> list[dict[str, Any]]:
        """Return when each step was first reported, the earliest `limit` of them."""
        with self._reading() as connection:
            return ask_iterations(connection, workload, source, start, end, limit)

    def workloads(self, search: str = "", limit: int = 100, offset: int = 0) -> dict[str, Any]:
        """Return a page of the workloads where `search` is part of a name, the latest seen first.

        Names are the workload's, its pods', and its runs' ids, names and projects; case does not count
        (of ASCII letters).
        """
        with self._reading() as connection:
            return questions.ask_workloads(connection, search, limit, offset)

    def runs(self, workload: str) -> list[dict[str, Any]]:
        """Return the runs, newest first."""
        with self._reading() as connection:
            return questions.ask_runs(connection, workload)

    def check(self) -> None:
        """Raise StoreError if questions cannot be answered or nothing can be written."""
        self._look_at_file()
        with self._reading() as connection:
            connection.execute("SELECT count(*) FROM batch WHERE key = ''").fetchone()
            connection.execute("BEGIN IMMEDIATE")

    def _look_at_file(self) -> None:
        """Raise StoreError if the file was removed or replaced: what is written would be lost."""
        if _identify(self._path) != self._file:
            raise StoreError(f"{self._path}: was removed or replaced meanwhile; start again")

    def close(self) -> None:
        """Let go of the database; after the last write, and once for all."""
        self._closed = True
        while self._free:
            self._free.pop().close()
        self._writing.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            try:
                connection = self._free.pop()
            except IndexError:
                connection = connect(self._path)
            try:
                yield connection
            finally:
                roll_back(connection)
                self._free.append(connection)
                if self._closed:
                    self.close()
        except sqlite3.Error as error:
            raise explain(error, self._path) from error


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
