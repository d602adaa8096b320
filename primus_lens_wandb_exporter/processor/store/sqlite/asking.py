"""Every question to the SQLite store, each on a connection that only reads."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import LAST_ANSWERS, StoreError
from ..question import question
from . import pod_questions, questions, run_questions, series_questions
from .changes import ask_changes, ask_newest_change
from .iteration_times import ask_iterations
from .opening import connect, explain, roll_back


class Asking:
    """The questions of `Store`, to the file at `path`; from any thread.

    Each takes a connection that is free, so there are as many as there were questions at one time.
    """

    detection = question(questions.ask_detection)
    sources = question(questions.ask_sources)
    available = question(questions.ask_available)
    points = question(questions.ask_points)
    iterations = question(ask_iterations)
    workloads = question(questions.ask_workloads)
    silent_pods = question(pod_questions.ask_silent_pods)
    count_silent_pods = question(pod_questions.count_silent_pods)
    runs = question(run_questions.ask_runs)
    run = question(run_questions.ask_run)
    configs = question(run_questions.ask_configs)
    metrics = question(run_questions.ask_metrics)
    entries = question(run_questions.ask_entries)
    marks = question(run_questions.ask_marks)
    series = question(series_questions.ask_series)
    count_series = question(series_questions.ask_count)
    extent = question(series_questions.ask_extent)
    changes = question(ask_changes)
    newest_change = question(ask_newest_change)

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free: list[sqlite3.Connection] = []
        self._lent: set[sqlite3.Connection] = set()
        self._stopped = self._closed = False

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
