"""Every question to the SQLite store, each on a connection that only reads."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .. import LAST_ANSWERS, Position, StoreError
from . import changes, questions, run_questions, series_questions
from .iteration_times import ask_iterations
from .opening import connect, explain, roll_back


class Asking:
    """The questions of `Store`, to the file at `path`; from any thread.

    Each takes a connection that is free, so there are as many as there were questions at one time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free: list[sqlite3.Connection] = []
        self._lent: set[sqlite3.Connection] = set()
        self._stopped = self._closed = False

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
        after: Position | None = None,
    ) -> list[dict[str, Any]]:
        """Return points of the metrics behind `after`, by time, name, step and series."""
        with self._reading() as connection:
            return questions.ask_points(connection, workload, source, names, start, end, limit, after)

    def iterations(
        self,
        workload: str,
        source: str = "",
        start: int | None = None,
        end: int | None = None,
        limit: int = 1_000_000,
        after: Position | None = None,
    ) -> list[dict[str, Any]]:
        """Return when each step was first reported, behind `after`, by time, name and step."""
        with self._reading() as connection:
            return ask_iterations(connection, workload, source, start, end, limit, after)

    def workloads(self, search: str = "", limit: int = 100, offset: int = 0) -> dict[str, Any]:
        """Return a page of the workloads where `search` is part of a name, the latest seen first."""
        with self._reading() as connection:
            return questions.ask_workloads(connection, search, limit, offset)

    def runs(
        self,
        now: int,
        workload: str | None = None,
        search: str = "",
        states: Sequence[str] = (),
        limit: int = 100,
        offset: int = 0,
    ) -> dict[str, Any]:
        """Return a page of the runs, the latest seen first."""
        with self._reading() as connection:
            return run_questions.ask_runs(connection, now, workload, search, states, limit, offset)

    def run(self, run: int, now: int) -> dict[str, Any] | None:
        """Return a run with its config, its latest detection record and its pods."""
        with self._reading() as connection:
            return run_questions.ask_run(connection, run, now)

    def configs(self, runs: Sequence[int]) -> dict[int, str]:
        """Return the configs of runs."""
        with self._reading() as connection:
            return run_questions.ask_configs(connection, runs)

    def metrics(self, run: int) -> list[dict[str, Any]]:
        """Return what is known of each series of a run, by name."""
        with self._reading() as connection:
            return run_questions.ask_metrics(connection, run)

    def entries(
        self, run: int, limit: int, before: tuple[int, int] | None = None
    ) -> list[dict[str, Any]]:
        """Return log entries, the latest first."""
        with self._reading() as connection:
            return run_questions.ask_entries(connection, run, limit, before)

    def marks(self, run: int, limit: int) -> list[dict[str, Any]]:
        """Return what was logged as NaN or as an infinity, by step."""
        with self._reading() as connection:
            return run_questions.ask_marks(connection, run, limit)

    def series(
        self,
        runs: Sequence[int],
        names: Sequence[str],
        axis: str,
        start: int,
        width: int,
        buckets: int,
    ) -> list[dict[str, Any]]:
        """Return the curves of several runs, down-sampled on a grid that they share."""
        with self._reading() as connection:
            return series_questions.ask_series(connection, runs, names, axis, start, width, buckets)

    def count_series(self, runs: Sequence[int], names: Sequence[str]) -> int:
        """Return how many series there are."""
        with self._reading() as connection:
            return series_questions.ask_count(connection, runs, names)

    def extent(self, runs: Sequence[int], names: Sequence[str], axis: str) -> tuple[int, int] | None:
        """Return the first and the last place of series on an axis."""
        with self._reading() as connection:
            return series_questions.ask_extent(connection, runs, names, axis)

    def changes(
        self, after: int, runs: Sequence[int] = (), limit: int = 10_000
    ) -> list[tuple[int, int, int | None, int | None]]:
        """Return what was committed after a change, in order."""
        with self._reading() as connection:
            return changes.ask_changes(connection, after, runs, limit)

    def newest_change(self) -> tuple[int, int]:
        """Return the oldest change that is still known, and the newest."""
        with self._reading() as connection:
            return changes.ask_newest_change(connection)

    def stop_answering(self) -> None:
        """Break off the questions that go on, and refuse those that come."""
        self._stopped = True
        deadline = time.monotonic() + LAST_ANSWERS
        while self._lent and time.monotonic() < deadline:  # one between two statements goes on
            for connection in list(self._lent):
                with suppress(sqlite3.ProgrammingError):  # closed at this moment
                    connection.interrupt()
            time.sleep(0.01)

    def close(self) -> None:
        """Let go of the connections; those in use go when their questions are answered."""
        self._closed = True
        while self._free:
            self._free.pop().close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            try:
                connection = self._free.pop()
            except IndexError:
                connection = connect(self._path)
            self._lent.add(connection)
            try:
                if self._stopped:
                    raise StoreError(f"{self._path}: nothing is answered any more")
                yield connection
            finally:
                self._lent.discard(connection)
                roll_back(connection)
                self._free.append(connection)
                if self._closed:
                    Asking.close(self)
        except sqlite3.Error as error:
            raise explain(error, self._path) from error
