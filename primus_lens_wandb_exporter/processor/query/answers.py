"""The answers of workloads and to bodies, typed as they are documented: the `data` of each path."""

from __future__ import annotations

from typing import Annotated, Literal, Optional, Union

import msgspec

from ..store import MOST_SILENT

Milliseconds = Annotated[int, msgspec.Meta(description="Unix milliseconds.")]
Next = Annotated[
    Optional[str], msgspec.Meta(description="The `cursor` of the next page; null: the last.")
]


class Answer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What every answer is: fields that are all there, and no others."""


class Service(Answer):
    """How the processor is."""

    status: Literal["ok", "ready"]


class Framework(Answer):
    """What the rules made of a workload's evidence."""

    workload_uid: str
    framework: str
    framework_layer: str
    wrapper_framework: str
    base_framework: str
    confidence: float
    method: str
    indicators: list[str]
    detected_at: Milliseconds


class Source(Answer):
    """A data source, with its count of points."""

    name: str
    count: int


class Sources(Answer):
    """The data sources of a workload."""

    workload_uid: str
    data_sources: list[Source]
    total_count: int


class AvailableMetric(Answer):
    """A metric of a workload, with its count of points."""

    name: str
    data_source: list[str]
    count: int


class AvailableMetrics(Answer):
    """The metrics of a workload."""

    workload_uid: str
    data_source: str
    metrics: list[AvailableMetric]
    total_count: int


class IterationTime(Answer):
    """When a step was first reported; `value` is the step, or its target."""

    metric_name: Literal["iteration", "target_iteration"]
    value: float
    timestamp: Milliseconds
    iteration: int
    data_source: str


class StoredPoint(Answer):
    """One number of one metric."""

    metric_name: str
    value: float
    timestamp: Milliseconds
    iteration: int
    data_source: str
    run_id: str


class Page(Answer):
    """A page of the points of a workload."""

    workload_uid: str
    data_source: str
    total_count: Annotated[int, msgspec.Meta(description="How many there are on this page.")]
    truncated: bool
    next: Next


class Points(Page):
    """A page of points, by time, name and step."""

    data: list[StoredPoint]


class IterationTimes(Page):
    """A page of iteration times, by time."""

    data: list[IterationTime]


Key = Annotated[str, msgspec.Meta(pattern="^[0-7][0-9a-f]{15}$", description="A run's key.")]
Rank = Annotated[Optional[int], msgspec.Meta(description="Of the process; null: it was not told.")]


class OpenRun(Answer):
    """A run that a pod began and told no end of."""

    key: Key
    run_id: str
    name: str
    rank: Rank


class SilentPod(Answer):
    """A pod that announced itself and went quiet, with its open runs, the latest heard of first.

    From `host` to `last_sent` it is as the first of them says; `host` and `pid` are those of its last
    event, empty and null where none came.
    """

    pod_uid: str
    pod_name: str
    namespace: str
    host: str
    pid: Optional[int]
    rank: Rank
    announced: Milliseconds
    last_seen: Milliseconds
    last_sent: Literal["detection", "points", "entries", "started", "finished", "failed"]
    last_data: Annotated[
        Optional[int],
        msgspec.Meta(description="Unix milliseconds, of points or entries; null: none ever came."),
    ]
    open_runs: list[OpenRun]


class Workload(Answer):
    """A workload; `framework` is empty where none was detected."""

    uid: str
    framework: str
    runs: int
    points: int
    first_seen: Milliseconds
    last_seen: Milliseconds
    pod_count: Annotated[int, msgspec.Meta(description="Pods that ever reported.")]
    silent_count: Annotated[int, msgspec.Meta(description="Pods that went quiet since `since`.")]
    pods: Annotated[
        Union[list[SilentPod], msgspec.UnsetType],
        msgspec.Meta(description=f"With `silent`: the silent ones, by name, {MOST_SILENT} at most."),
    ] = msgspec.UNSET


class Workloads(Answer):
    """A page of workloads, the latest seen first."""

    workloads: list[Workload]
    total_count: int


class Taken(Answer):
    """What was stored of a body; a duplicate had been stored before."""

    count: int
    duplicate: bool


class TakenPart(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was stored of a part of a batch, or why it was not."""

    success: bool
    count: int = 0
    duplicate: bool = False
    error: str = ""


class TakenBatch(Answer):
    """What was stored of each part of a batch that came."""

    results: dict[Literal["detection", "metrics", "logs"], TakenPart]
