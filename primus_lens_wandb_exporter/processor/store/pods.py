"""What deliveries tell of pods, of each run which report of it; and those that do so no longer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from . import CRASHED_AFTER, SILENCE_TOLD, Delivery
from .identity import run_id


class PodRun(NamedTuple):
    """What a pod has told of a run: a row of `pod_run`, whose columns these are, in their order."""

    run: int
    pod_uid: str
    pod_name: str
    workload: str
    namespace: str
    first_seen: int
    last_seen: int
    last_sent: str
    last_data: int | None
    described: int | None
    began: int | None
    ended: int | None
    host: str
    pid: int | None
    rank: int | None

    @property
    def told(self) -> int | None:
        """When its latest event was."""
        return _highest(self.began, self.ended)

    def join(self, later: PodRun) -> PodRun:
        """Return both as one, `later` being what came after it."""
        newest = later if later.last_seen >= self.last_seen else self
        teller = later if later.told is not None and later.told >= (self.told or 0) else self
        return self._replace(
            namespace=later.namespace or self.namespace,
            first_seen=min(self.first_seen, later.first_seen),
            last_seen=newest.last_seen,
            last_sent=newest.last_sent,
            last_data=_highest(self.last_data, later.last_data),
            described=min(
                (at for at in (self.described, later.described) if at is not None), default=None
            ),
            began=_highest(self.began, later.began),
            ended=_highest(self.ended, later.ended),
            host=teller.host,
            pid=teller.pid,
            rank=self.rank if later.rank is None else later.rank,
        )


_POD = ("pod_uid", "pod_name", "namespace", "host", "pid", "rank", "announced", "last_seen", "last_sent")


def quiet(now: int, since: int | None) -> dict[str, int]:
    """Return the parameters `since` and `silent`, between which a silent pod was heard of last."""
    return {"silent": now - CRASHED_AFTER, "since": now - SILENCE_TOLD if since is None else since}


def show_silent(rows: Iterable[Sequence[Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return what `Store.silent_pods` does.

    Args:
        rows: of each pod and open run the workload, the columns of `_POD`, last_data, the run's
            number, id and name; those of a pod follow one another, the latest heard of first.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for workload, *columns in rows:
        pod = dict(zip(_POD, columns))
        last_data, run, run_id, name = columns[len(_POD) : len(_POD) + 4]
        pods = found.setdefault(workload, [])
        if not pods or any(pods[-1][key] != pod[key] for key in ("pod_uid", "pod_name")):
            pods.append({**pod, "last_data": None, "open_runs": []})
        pods[-1]["last_data"] = _highest(pods[-1]["last_data"], last_data)
        if run_id:  # what belongs to the workload alone is no run
            told = {"id": run, "run_id": run_id, "name": name, "rank": pod["rank"]}
            pods[-1]["open_runs"].append(told)
    return found


def gather_pod_runs(deliveries: Iterable[Delivery]) -> list[PodRun]:
    """Return a row for each run and pod, by run, uid and name; a pod has a uid or a name."""
    found: dict[tuple[int, str, str], PodRun] = {}
    for delivery in deliveries:
        if delivery.pod.get("pod_uid") or delivery.pod.get("pod_name"):
            for row in _rows_of(delivery):
                known = found.get(row[:3])
                found[row[:3]] = known.join(row) if known else row
    return [found[key] for key in sorted(found)]


def _rows_of(delivery: Delivery) -> Iterator[PodRun]:
    """Yield what it tells of the runs of its detections, then of its own."""
    nothing = PodRun(
        run_id(delivery.workload, delivery.run_id),
        delivery.pod.get("pod_uid", ""),
        delivery.pod.get("pod_name", ""),
        delivery.workload,
        delivery.pod.get("namespace", ""),
        delivery.received,
        delivery.received,
        *("", None, None, None, None, "", None, None),
    )
    for detection in delivery.detections:
        yield nothing._replace(
            run=run_id(delivery.workload, detection.run_id),
            last_sent="detection",
            described=detection.timestamp,
            rank=detection.rank,
        )
    for event in delivery.events:
        began, ended = (event.timestamp, None) if event.kind == "started" else (None, event.timestamp)
        told = nothing._replace(began=began, ended=ended, host=event.host, pid=event.pid)
        yield told._replace(last_sent=event.kind)
    if delivery.points or delivery.entries:
        kind = "points" if delivery.points else "entries"
        yield nothing._replace(last_sent=kind, last_data=delivery.received)
    elif not delivery.count:
        yield nothing


def _highest(*moments: int | None) -> int | None:
    return max((moment for moment in moments if moment is not None), default=None)
