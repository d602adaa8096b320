"""Where everything is kept: one small interface, an engine a folder. Times are Unix microseconds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

SECOND = 1_000_000  # microseconds
CRASHED_AFTER = 300 * SECOND  # without data, and without a word that it ended
SILENCE_TOLD = 24 * 3600 * SECOND  # for so long a pod that went quiet is news
MOST_SILENT = 100  # pods that are named of a workload
MOST_OPEN = 10  # runs that are named of a pod
PAGE_OF_ENTRIES = 4 << 20  # characters of log entries, with which a page of them is full
LAST_ANSWERS = 1.0  # seconds that questions have to end when they are broken off


class Stored(NamedTuple):
    """One number as it is kept."""

    name: str
    step: int
    timestamp: int
    value: float
    tags: tuple[tuple[str, str], ...] = ()  # sorted


class Entry(NamedTuple):
    """One log entry as it is kept; `data` is JSON text."""

    step: int
    timestamp: int
    data: str


class Event(NamedTuple):
    """What a run said of itself: `kind` is `started`, `finished` or `failed`."""

    kind: str
    timestamp: int
    host: str = ""
    exit_code: int | None = None
    cause: str = ""  # `finish`, `exit`, a signal's name, an exception's name
    pid: int | None = None


@dataclass(frozen=True)
class Detection:
    """A detection record, what the rules made of it, and what it says of its run.

    `verdict` has framework, layer, wrapper_framework, base_framework, confidence, method and
    indicators; `evidence`, `hints`, `config` and `tags` are JSON texts as they came.
    """

    run_id: str
    timestamp: int
    evidence: str
    hints: str
    verdict: Mapping[str, Any]
    name: str = ""
    project: str = ""
    config: str = "{}"
    tags: str = "[]"
    gpu_name: str = ""
    gpu_count: int | None = None
    rank: int | None = None  # of the process, among those that train together


@dataclass(frozen=True)
class Delivery:
    """What one request brought, to be stored whole or not at all, and once: `key` is its identity.

    Args:
        key: the `Idempotency-Key`, else a hash of the body.
        workload: the workload's uid, else the pod's name.
        source: where it comes from (`wandb`).
        received: when, by the processor's clock.
    """

    key: str
    workload: str
    source: str
    received: int
    run_id: str = ""
    pod: Mapping[str, str] = field(default_factory=dict)  # pod_uid, pod_name, namespace: what is known
    points: Sequence[Stored] = ()
    entries: Sequence[Entry] = ()
    events: Sequence[Event] = ()  # which are no entries
    detections: Sequence[Detection] = ()

    @property
    def count(self) -> int:
        """How many things it brings."""
        return len(self.points) + len(self.entries) + len(self.events) + len(self.detections)


class Position(NamedTuple):
    """Where a page of points ends: the next one begins behind it."""

    timestamp: int
    name: str
    step: int
    series: int  # 0 among iterations


class Thinned(NamedTuple):
    """What a part of thinning out came to: points and runs that were looked at, and points removed."""

    looked_at: int
    removed: int


class StoreError(Exception):
    """The database cannot be used: the text says what is wrong, where, and what to do."""


class Full(Exception):
    """There is no room to store it (a full disk): to be tried again later."""


class Busy(Exception):
    """More waits to be stored than may wait: to be tried again later."""


class Store(Protocol):
    """A database. One thread writes; any thread may ask.

    Questions raise StoreError when the database cannot answer. A run is asked for by its number,
    `identity.run_id(workload, run)`.
    """

    def write(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Store deliveries in one transaction; return for each whether it was new.

        Raises:
            Full: nothing of them was stored.
            StoreError: nothing of them was stored, and the fault is not theirs.
            Exception: nothing of them was stored, because of what one of them holds.
        """

    # What the service answers.

    def detection(self, workload: str) -> dict[str, Any] | None:
        """Return the merged verdict of a workload: framework, framework_layer, wrapper_framework,
        base_framework, confidence, method, indicators and `detected_at`.

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
        start: int | None = None,
        end: int | None = None,
        limit: int = 1_000_000,
        after: Position | None = None,
    ) -> list[dict[str, Any]]:
        """Return `{metric_name, value, timestamp, iteration, data_source, run_id, series}` of at most
        `limit` points behind `after`, by time, name, step and series.

        Both bounds included; no names: all metrics. `series` is a number, for `Position`.
        """

    def iterations(
        self,
        workload: str,
        source: str = "",
        start: int | None = None,
        end: int | None = None,
        limit: int = 1_000_000,
        after: Position | None = None,
    ) -> list[dict[str, Any]]:
        """Return when each step was first reported, and its target where one was, as `points` does, by
        time, name and step.

        `metric_name` is `iteration`, the value being the step, or `target_iteration`; no run or series.
        """

    def workloads(
        self,
        now: int,
        search: str = "",
        limit: int = 100,
        offset: int = 0,
        *,
        silent: bool = False,
        since: int | None = None,
    ) -> dict[str, Any]:
        """Return `{workloads: [{uid, framework, runs, points, first_seen, last_seen, pod_count,
        silent_count}], total_count}`, the latest seen first.

        `search` is part of a name: the workload's, its pods', or its runs' ids, names and projects; case
        does not count (of ASCII letters). `silent`: of those with a silent pod alone.

        A pod is silent if it announced itself for a run (by a detection record or a `started` event),
        told no end of it, and was not heard of for `CRASHED_AFTER`, but was `since` (`SILENCE_TOLD` ago
        unless told). It is not if it has begun another run after that one was heard of last, or if
        another pod of its name was heard of later: names are unique at one time.
        """

    def silent_pods(
        self, now: int, workloads: Sequence[str], since: int | None = None
    ) -> dict[str, list[dict[str, Any]]]:
        """Return the silent pods of workloads, of those that have any, by name and uid; of each
        workload `MOST_SILENT` at most.

        A pod: pod_uid, pod_name, namespace; host, pid, rank, announced, last_seen, last_sent of that
        open run of which was heard last; last_data, None if neither points nor entries ever came of its
        open runs; open_runs: `[{id, run_id, name, rank}]`, the latest first, `MOST_OPEN` at most.

        `last_sent` is `detection`, `points`, `entries`, `started`, `finished` or `failed`.
        """

    def count_silent_pods(self, now: int, since: int | None = None) -> int:
        """Return how many pods are silent, of all workloads."""

    # What the page asks.

    def runs(
        self,
        now: int,
        workload: str | None = None,
        search: str = "",
        states: Sequence[str] = (),
        limit: int = 100,
        offset: int = 0,
    ) -> dict[str, Any]:
        """Return `{runs: [...], total_count}`, the latest seen first; of all workloads or of one.

        A run: id (its number), workload, run_id, name, project, tags, state, host, framework, gpu_name,
        gpu_count, started, ended, last_seen, points, last_step, exit_code, cause, and `loss`, None or
        `{name, value}`: the last value of the metric that is its loss by name.

        `state`: `finished` or `failed`, as its last event says; else `crashed`, if nothing was heard of
        it for `CRASHED_AFTER`; else `running`. No states: all. `search` as in `workloads`.
        """

    def run(self, run: int, now: int) -> dict[str, Any] | None:
        """Return a run as in `runs`, with config, and evidence, hints and verdict of its latest
        detection record (None if there is none); pods: `[{pod_uid, pod_name, namespace}]`, of which
        each reported of it.

        Config, evidence and hints are JSON texts as they came: numbers in them may be of any length.
        """

    def configs(self, runs: Sequence[int]) -> dict[int, str]:
        """Return the configs of runs, of those that there are, as in `run`."""

    def metrics(self, run: int) -> list[dict[str, Any]]:
        """Return `{name, source, tags, count, first_step, last_step, first_ts, last_ts, last_value}` of
        each series of a run, by name."""

    def entries(
        self, run: int, limit: int, before: tuple[int, int, int] | None = None
    ) -> list[dict[str, Any]]:
        """Return `{digest, step, timestamp, source, data}` of log entries, the latest first, of one
        time by step and digest.

        At most `limit`, and none behind that with which `PAGE_OF_ENTRIES` is reached. Data is JSON
        text. `before`: timestamp, step and digest of the last one of the page before this one.
        """

    def marks(self, run: int, limit: int) -> list[dict[str, Any]]:
        """Return `{name, step, timestamp, value}` of what was logged as `NaN`, `Infinity`, `-Infinity`.

        By step; each is a log entry's field whose value is that text.
        """

    def series(
        self,
        runs: Sequence[int],
        names: Sequence[str],
        axis: str,
        start: int,
        width: int,
        buckets: int,
        end: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return `{run, name, source, tags, bucket, min, max, mean, count}` of each series in sight.

        No names: all metrics, as in `extent`.

        The last five are lists of equal length, by bucket.

        A point's place on the axis is its step (`step`), its time (`time`), or its time since its run
        started (`relative`); its bucket is `(place - start) // width`, from 0 to `buckets` - 1.
        What lies behind `end` is left out, also in the middle of a bucket.
        """

    def count_series(self, runs: Sequence[int], names: Sequence[str]) -> int:
        """Return how many series there are: one for each source and tags that a metric came with."""

    def extent(self, runs: Sequence[int], names: Sequence[str], axis: str) -> tuple[int, int] | None:
        """Return the first and the last place of those series on the axis; None: there are no points."""

    def changes(
        self, after: int, runs: Sequence[int] = (), limit: int = 10_000
    ) -> list[tuple[int, int, int | None, int | None]]:
        """Return (seq, run, first_step, last_step) of what was committed after change `after`, in order;
        no runs: of all. First and last step are those of new points; None: something else changed."""

    def newest_change(self) -> tuple[int, int]:
        """Return the oldest change that is still known, and the newest; (0, 0): there was none."""

    # What keeps it small. The first three are for the thread that writes; each call is one short
    # transaction, so that no delivery waits for long, and leaves every count right.

    def forget(self, before: int, rows: int) -> int:
        """Remove about `rows` rows of workloads that were not seen since; return how many were removed.

        0: nothing is left to be removed. A workload that is seen again meanwhile keeps what it still
        has. Changes are left to `prune`.
        """

    def thin(self, before: int, keep: int, rows: int) -> Thinned:
        """Thin out points of runs that have ended (or crashed) and were not seen since; nothing is left
        to be done when nothing was looked at.

        Of each series at most `keep` (at least 16) stay: first, last, lowest and highest of each stretch
        of steps, and where there are few steps, of time. A run that goes on is thinned again later.
        """

    def prune(self, batches: int, changes: int, rows: int) -> int:
        """Remove about `rows` keys of batches, and changes, older than that; return how many.

        The newest change stays.
        """

    def sizes(self) -> dict[str, int]:
        """Return how much there is: workloads, runs, series, points, log_entries, detections, batches,
        and bytes, of which free_bytes can be given back by `vacuum`."""

    def vacuum(self) -> None:
        """Give back the room of what was removed; ingest waits meanwhile on SQLite.

        Raises:
            Full: there is no room for doing so.
        """

    def export(self, run: int) -> Iterator[tuple[str, str, str, int, int, float]]:
        """Yield (metric, source, tags as JSON, step, timestamp, value) of a run's points.

        By series, step and time, without holding them all; what is stored meanwhile may be among them.
        """

    def check(self) -> None:
        """Raise an exception if questions cannot be answered; writes nothing, waits for no writer."""

    def stop_answering(self) -> None:
        """Break off the questions that go on, which then raise StoreError as do later ones: nobody
        waits for them any more, and their threads would keep the process."""

    def close(self) -> None:
        """Finish and let go of the database."""
