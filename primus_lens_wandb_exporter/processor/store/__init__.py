"""Where everything is kept: one small interface, an engine a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Stored(NamedTuple):
    """One number as it is kept; `timestamp` in Unix seconds."""

    name: str
    step: int
    timestamp: float
    value: float
    tags: tuple[tuple[str, str], ...] = ()  # sorted


class Entry(NamedTuple):
    """One log entry as it is kept; `data` is JSON text, `timestamp` in Unix seconds."""

    step: int
    timestamp: float
    data: str


@dataclass(frozen=True)
class Detection:
    """A detection record and what the rules made of it.

    `verdict` has framework, layer, wrapper_framework, base_framework, confidence, method and
    indicators; `evidence` and `hints` are JSON texts as they came.
    """

    run_id: str
    timestamp: float  # Unix seconds
    evidence: str
    hints: str
    verdict: Mapping[str, Any]


@dataclass(frozen=True)
class Delivery:
    """What one request brought, to be stored whole or not at all, and once: `key` is its identity.

    Args:
        key: the `Idempotency-Key`, else a hash of the body.
        workload: the workload's uid, else the pod's name.
        source: where it comes from (`wandb`).
        received: Unix seconds.
    """

    key: str
    workload: str
    source: str
    received: float
    run_id: str = ""
    pod: Mapping[str, str] = field(default_factory=dict)  # pod_uid, pod_name, namespace: what is known
    points: Sequence[Stored] = ()
    entries: Sequence[Entry] = ()
    detections: Sequence[Detection] = ()


class StoreError(Exception):
    """The database cannot be used: the text says what is wrong, where, and what to do."""


class Full(Exception):
    """There is no room to store it (a full disk): to be tried again later."""


class Busy(Exception):
    """More waits to be stored than may wait: to be tried again later."""


class Store(Protocol):
    """A database. One thread writes; any thread may ask.

    Questions raise StoreError when the database cannot answer.
    """

    def write(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store deliveries in one transaction; return for each whether it was new.

        Raises:
            Full: nothing of them was stored.
            StoreError: nothing of them was stored, and the fault is not theirs.
            Exception: nothing of them was stored, because of what one of them holds.
        """

    def detection(self, workload: str) -> dict[str, Any] | None:
        """Return the merged verdict of a workload: framework, framework_layer, wrapper_framework,
        base_framework, confidence, method, indicators and `detected_at` (Unix seconds).

        Of several records the most confident speaks, of equals the latest.
        """

    def sources(self, workload: str) -> list[dict[str, Any]]:
        """Return `{name, count}` of each data source, count in points, by name."""

    def available(self, workload: str, source: str = "") -> list[dict[str, Any]]:
        """Return `{name, data_source: [...], count}` of each metric, by name."""

    def points(
        self,
        workload: str,
        source: str = "",
        names: Sequence[str] = (),
        start: float | None = None,
        end: float | None = None,
        limit: int = 1_000_000,
    ) -> list[dict[str, Any]]:
        """Return `{metric_name, value, timestamp, iteration, data_source}`, by time, name and step.

        Times are Unix seconds, both bounds included; no names: all metrics; at most `limit` points, the
        earliest.
        """

    def iterations(
        self,
        workload: str,
        source: str = "",
        start: float | None = None,
        end: float | None = None,
        limit: int = 1_000_000,
    ) -> list[dict[str, Any]]:
        """Return when each step was first reported, and its target where one was, as `points` does.

        `metric_name` is `iteration`, the value being the step, or `target_iteration`.
        """

    def workloads(self, search: str = "", limit: int = 100, offset: int = 0) -> dict[str, Any]:
        """Return `{workloads: [{uid, framework, runs, points, first_seen, last_seen}], total_count}`."""

    def runs(self, workload: str) -> list[dict[str, Any]]:
        """Return `{run_id, name, project, config, tags, started, last_seen, points, last_step}`, newest
        first."""

    def check(self) -> None:
        """Raise an exception if questions cannot be answered or nothing can be written."""

    def close(self) -> None:
        """Finish and let go of the database."""
