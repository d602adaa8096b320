"""Every question to the PostgreSQL store, each on a connection that only reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from ..question import question
from . import pod_questions, questions, run_questions, series_questions
from .changes import ask_changes, ask_newest_change
from .connections import Connections
from .opening import Connection, explain

AT_ONCE = 8  # questions; further ones wait


class Asking:
    """The questions of `Store`, by connections that only read; from any thread."""

    detection = question(questions.ask_detection)
    sources = question(questions.ask_sources)
    available = question(questions.ask_available)
    points = question(questions.ask_points)
    iterations = question(questions.ask_iterations)
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

    def __init__(self, url: str, connections: Connections) -> None:
        self._url = url
        self._asking = connections

    def stop_answering(self) -> None:
        """Break off the questions that go on, and refuse those that come."""
        self._asking.break_off()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._asking.lend() as connection:
                yield connection
        except psycopg.Error as error:
            raise explain(error, self._url) from error
