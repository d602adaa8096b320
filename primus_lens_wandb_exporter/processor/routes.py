"""Every path in one table: what answers it, what it may be asked, and what is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from starlette.convertors import Convertor, register_url_convertor

from .endpoint import Endpoint, Parameter
from .ingest import wire
from .ingest.receive import Ingest
from .query import answers, run_answers
from .query.contract import MOST_POINTS, Query
from .query.live import Live
from .query.parameters import FLAGS, LARGEST_PAGE, LONGEST_SEARCH, MOST_DIGITS
from .query.runs import MOST_MARKS, STATES, Runs
from .query.series import AXES, MOST_BUCKETS, MOST_METRICS, MOST_RUNS, WIDEST, Curves

_BASE = "/api/v1"
_WORKLOAD = _BASE + "/workloads/{uid:name}"
_RUN = _BASE + "/runs/{run}"
_REFUSED_BODY = (400, 408, 413, 415)


class _Name(Convertor[str]):
    """A name in a path: unlike Starlette's own `path` it may hold line feeds, and is not empty."""

    regex = "(?s:.+)"

    def convert(self, value: str) -> str:
        """Return it as it is."""
        return value

    def to_string(self, value: str) -> str:
        """Return it as it is."""
        return value


register_url_convertor("name", _Name())


def _whole(most: int, least: int = 0) -> Any:
    return Annotated[int, msgspec.Meta(ge=least, le=most)]


def _text(pattern: str) -> Any:
    return Annotated[str, msgspec.Meta(pattern=pattern)]


_PLACE = _whole(10**MOST_DIGITS - 1, 1 - 10**MOST_DIGITS)
_SOURCE = Parameter("data_source", str, "Of this source alone.")
_START = Parameter("start", _PLACE, "The first millisecond.")
_END = Parameter("end", _PLACE, "The last millisecond, included.")
_CURSOR = Parameter("cursor", str, "`next` of the answer before: the page behind it.")
_LIMIT = Parameter("limit", _whole(LARGEST_PAGE), "How many at most; 100 unless told.")
_ENTRIES = Parameter("limit", _whole(LARGEST_PAGE, 1), "How many at most; 100 unless told.")
_POINTS = Parameter("limit", _whole(MOST_POINTS, 1), "How many at most; 100 000 unless told.")
_OFFSET = Parameter("offset", _whole(2**63 - 1), "How many to pass over.")
_SEARCH = Parameter(
    "search",
    Annotated[str, msgspec.Meta(max_length=LONGEST_SEARCH)],
    "Part of a name, of a workload, its pods or its runs; case does not count.",
)
_SILENT = Parameter(
    "silent",
    _text(f"^({'|'.join(filter(None, FLAGS))})$"),
    "`1`: those alone of which a pod announced itself and went quiet, with these pods.",
)
_SINCE = Parameter("since", _PLACE, "When a silent pod was heard of last at the earliest; a day ago.")
_ONE_OF = "|".join(STATES)
_STATE = Parameter("state", _text(f"^({_ONE_OF})(,({_ONE_OF}))*$"), "States, separated by commas.")
_RUNS = Parameter(
    "runs",
    _text(f"^[0-7][0-9a-f]{{15}}(,[0-7][0-9a-f]{{15}}){{0,{MOST_RUNS - 1}}}$"),
    f"Keys of at most {MOST_RUNS} runs, separated by commas.",
)
_METRIC = Parameter("metric", str, "A metric's name, which may hold commas.", many=True)
_GRID = (
    Parameter("axis", _text(f"^({'|'.join(AXES)})$"), "`step` (the default), `time` or `relative`."),
    Parameter(
        "start", _PLACE, "Where the first bucket begins, in the axis' unit: steps or milliseconds."
    ),
    Parameter("end", _PLACE, "The last place, included; no less than `start`."),
    Parameter("buckets", _whole(MOST_BUCKETS), "How many at most; 1000 unless told."),
    Parameter("width", _whole(WIDEST), "Of a bucket, instead of `buckets`."),
)


def list_endpoints(
    ingest: Ingest,
    query: Query,
    runs: Runs,
    curves: Curves,
    live: Live,
    service: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]],
) -> list[Endpoint]:
    """Return all paths; `service` is what answers `/health`, `/ready` and `/metrics`."""
    health, ready, metrics = service
    return [
        *_list_posts(ingest),
        Endpoint("/health", health, "Whether it serves", answers.Service, refusals=()),
        Endpoint("/ready", ready, "Whether it can store", answers.Service, refusals=(503,)),
        Endpoint("/metrics", metrics, "What it counts of itself", None, refusals=(), media="text/plain"),
        *_list_questions_of_workloads(query, runs),
        *_list_questions_of_runs(runs, curves, live),
    ]


def _list_posts(ingest: Ingest) -> list[Endpoint]:
    bodies: tuple[tuple[str, str, Any, Any], ...] = (
        ("detection", "Take a detection record", wire.DetectionBody, answers.Taken),
        ("metrics", "Take points", wire.MetricsBody, answers.Taken),
        ("logs", "Take log entries", wire.LogsBody, answers.Taken),
        ("batch", "Take several bodies", wire.BatchBody, answers.TakenBatch),
    )
    return [
        Endpoint(f"{_BASE}/wandb/{kind}", ingest.take, help, answer, body=body, refusals=_REFUSED_BODY)
        for kind, help, body, answer in bodies
    ]


def _list_questions_of_workloads(query: Query, runs: Runs) -> list[Endpoint]:
    of_points = (_SOURCE, _START, _END, _POINTS, _CURSOR)
    names = Parameter("metrics", str, "`a,b`, `{a,b}` or `all`.")
    return [
        Endpoint(
            f"{_BASE}/workloads",
            query.workloads,
            "Workloads, the latest seen first",
            answers.Workloads,
            (_SEARCH, _SILENT, _SINCE, _LIMIT, _OFFSET),
        ),
        Endpoint(
            f"{_WORKLOAD}/runs",
            runs.of_workload,
            "Runs of a workload, with their configs",
            run_answers.WorkloadRuns,
            (_SEARCH, _STATE, _LIMIT, _OFFSET),
        ),
        Endpoint(
            f"{_WORKLOAD}/framework-detection",
            query.detection,
            "The framework of a workload, and why",
            answers.Framework,
            refusals=(404,),
        ),
        Endpoint(
            f"{_WORKLOAD}/metrics/sources",
            query.sources,
            "Data sources of a workload",
            answers.Sources,
            refusals=(),
        ),
        Endpoint(
            f"{_WORKLOAD}/metrics/available",
            query.available,
            "Metrics of a workload",
            answers.AvailableMetrics,
            (_SOURCE,),
            refusals=(),
        ),
        Endpoint(
            f"{_WORKLOAD}/metrics/data",
            query.data,
            "Points of a workload",
            answers.Points,
            (names, _METRIC, *of_points),
        ),
        Endpoint(
            f"{_WORKLOAD}/metrics/iteration-times",
            query.iteration_times,
            "When each step was first reported",
            answers.IterationTimes,
            of_points,
        ),
    ]


def _list_questions_of_runs(runs: Runs, curves: Curves, live: Live) -> list[Endpoint]:
    workload = Parameter("workload", str, "Of this workload alone.")
    marks = Parameter("limit", _whole(MOST_MARKS), "How many at most; 1000 unless told.")
    after = Parameter("after", _whole(10**18 - 1), "The id of the last event that is known.")
    return [
        Endpoint(
            f"{_BASE}/runs",
            runs.all,
            "Runs, the latest seen first",
            run_answers.Runs,
            (_SEARCH, _STATE, workload, _LIMIT, _OFFSET),
        ),
        Endpoint(
            _RUN, runs.one, "A run, with its detection record", run_answers.WholeRun, refusals=(404,)
        ),
        Endpoint(
            f"{_RUN}/metrics", runs.metrics, "Metrics of a run", run_answers.Metrics, refusals=(404,)
        ),
        Endpoint(
            f"{_RUN}/logs",
            runs.logs,
            "Log entries of a run, the latest first",
            run_answers.Entries,
            (_ENTRIES, _CURSOR),
            refusals=(400, 404),
        ),
        Endpoint(
            f"{_RUN}/marks",
            runs.marks,
            "Where metrics were no finite numbers",
            run_answers.Marks,
            (marks,),
            refusals=(400, 404),
        ),
        Endpoint(
            f"{_BASE}/series",
            curves.series,
            f"Curves of runs on one grid, of at most {MOST_METRICS} metrics",
            run_answers.Curves,
            (_RUNS, _METRIC, *_GRID),
        ),
        Endpoint(
            f"{_BASE}/series/rows",
            curves.rows,
            "The same as rows, for tools that know tables alone",
            run_answers.CurveRows,
            (_RUNS, _METRIC, *_GRID),
        ),
        Endpoint(
            f"{_BASE}/stream",
            live.stream,
            "What changes, as server-sent events: `change` and `reset`",
            None,
            (_RUNS, after),
            media="text/event-stream",
        ),
    ]
