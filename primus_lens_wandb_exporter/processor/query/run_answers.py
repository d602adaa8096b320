"""The answers of runs, typed as they are documented: the `data` of each path."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional

import msgspec

from .answers import Answer, Key, Milliseconds, Next

State = Literal["running", "finished", "failed", "crashed"]


class Loss(Answer):
    """The last value of the metric that is a run's loss by its name."""

    name: str
    value: float


class Run(Answer):
    """A run; `gpu_count`, `ended`, `last_step` and `exit_code` are null where nothing is known."""

    key: Key
    workload: str
    run_id: str
    name: str
    project: str
    tags: list[str]
    state: State
    host: str
    framework: str
    gpu_name: str
    gpu_count: Optional[int]
    started: Milliseconds
    ended: Optional[Milliseconds]
    last_seen: Milliseconds
    points: int
    last_step: Optional[int]
    exit_code: Optional[int]
    cause: str
    loss: Optional[Loss]


class Runs(Answer):
    """A page of runs, the latest seen first."""

    runs: list[Run]
    total_count: int


class ConfiguredRun(Run):
    """A run with its config."""

    config: dict[str, Any]


class WorkloadRuns(Answer):
    """A page of the runs of a workload, the latest seen first."""

    workload_uid: str
    runs: list[ConfiguredRun]
    total_count: int


class Verdict(Answer):
    """What the rules made of one detection record."""

    framework: str
    layer: str
    wrapper_framework: str
    base_framework: str
    confidence: float
    method: str
    indicators: list[str]


class Pod(Answer):
    """A pod that reported of the run."""

    pod_uid: str
    pod_name: str
    namespace: str


class WholeRun(ConfiguredRun):
    """A run with its latest detection record; evidence, hints and verdict are null without one."""

    evidence: Optional[dict[str, Any]]
    hints: Optional[dict[str, Any]]
    verdict: Optional[Verdict]
    pods: list[Pod]


class Metric(Answer):
    """A metric of a run, of one source and one set of tags."""

    name: str
    source: str
    tags: dict[str, str]
    count: int
    first_step: int
    last_step: int
    first_time: Milliseconds
    last_time: Milliseconds
    last_value: Annotated[float, msgspec.Meta(description="Of the last step.")]


class Metrics(Answer):
    """The metrics of a run, by name."""

    metrics: list[Metric]
    total_count: int


class Entry(Answer):
    """What one log call carried besides numbers."""

    step: int
    timestamp: Milliseconds
    source: str
    data: dict[str, Any]


class Entries(Answer):
    """A page of log entries, the latest first."""

    entries: list[Entry]
    next: Next


class Mark(Answer):
    """Where a metric was no finite number."""

    name: str
    step: int
    timestamp: Milliseconds
    value: Literal["NaN", "Infinity", "-Infinity"]


class Marks(Answer):
    """The marks of a run, by step."""

    marks: list[Mark]


class Curve(Answer):
    """A series, down-sampled: the last five are lists of equal length, of the buckets with points."""

    run: Key
    name: str
    source: str
    tags: dict[str, str]
    bucket: list[int]
    min: list[float]
    max: list[float]
    mean: list[float]
    count: list[int]


class Curves(Answer):
    """Series on one grid: bucket `i` begins at `start + i * width`, in the axis' unit."""

    axis: Literal["step", "time", "relative"]
    start: int
    width: int
    buckets: int
    series: list[Curve]


class CurveRow(Answer):
    """A bucket of a series, which begins at `x`; `label` is what its run is called."""

    run: Key
    label: str
    name: str
    source: str
    tags: dict[str, str]
    x: int
    min: float
    max: float
    mean: float
    count: int


class CurveRows(Answer):
    """Series on one grid, a row for each bucket with points, by `x`."""

    axis: Literal["step", "time", "relative"]
    start: int
    width: int
    buckets: int
    rows: list[CurveRow]
