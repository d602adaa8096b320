"""The composition root: settings, lanes, worker and sinks; fork and exit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any

from . import guard, payloads, stats
from .capture import LogValue
from .delivery.agenda import Agenda
from .delivery.envelope import Envelope
from .delivery.http_sink import HttpSink
from .delivery.jsonl_sink import JsonlSink
from .delivery.lane import Lane
from .delivery.queue import BoundedQueue
from .delivery.replay import Replay
from .delivery.route import Route
from .delivery.spool import make_spool
from .delivery.worker import Worker
from .detection import Detection, Detector
from .evidence import Collector
from .herald import Herald
from .lifecycle import call_after_fork, call_at_exit, make_fork_canary, read_ending
from .payloads import LogCall
from .run_events import Ending, RunEvents
from .settings import Loaded, load
from .sigterm import SigtermWatch
from .system_metrics import Sampler, load_psutil

DETECTION_CAPACITY = 100
_SIGTERM_SECONDS = 2.0
_SIGTERM = Ending(143, "SIGTERM")  # the status that a shell or a container shows
_ATTENDED = 2  # what the fork canary says once a worker runs in this process
_DRAIN_FACTOR = 4  # while things go well, an exit takes so many times the time without progress
CAPACITY = 1000  # log calls that wait, for each of metrics, logs and the local file
_EVENTS = 1000  # run events that wait beyond that: how a run ended is no detail of it


class Exporter:
    """Takes what the hook saw, and delivers it. One a process; a fork's child gets new lanes."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.settings = loaded.settings
        self._exit_registered_in: int | None = None
        self._sigterm = SigtermWatch(self._deliver_before_sigterm)
        self._psutil = load_psutil() if self.settings.enhance_metrics else None
        self._assemble()

    def _assemble(self) -> None:
        """Make lanes and worker, with nothing in them. Only assigns: a fork's child runs this."""
        settings = self.settings
        self._detector: Detector | None = None
        self._sampler: Sampler | None = None
        self.collector = Collector()
        self.skipped: dict[str, int] = {}
        self._skip_lock = RLock()
        self._detections: Lane[Detection] | None = None
        self._metrics: Lane[LogCall] | None = None
        self._logs: Lane[LogCall] | None = None
        self._local: Lane[LogCall] | None = None
        self._replay: Replay | None = None
        if settings.reports:
            route = Route(HttpSink(settings))
            spool = make_spool(settings)
            if spool is not None:
                self._replay = Replay(spool, HttpSink(settings), settings.flush_interval)
            self._detector = detector = Detector(
                settings, self.collector, self._offer_detection, settings.flush_interval
            )
            self._detections = Lane(
                "detection", DETECTION_CAPACITY, detector.pack, route, spool, immediate=True
            )
            if self._psutil is not None:
                self._sampler = Sampler(
                    self._psutil,
                    self.collector,
                    self._newest_call,
                    self._offer_sample,
                    settings.system_interval,
                )
            self._metrics = Lane("metrics", CAPACITY, self._pack_metrics, route, spool)
            self._logs = Lane("logs", CAPACITY, self._pack_logs, route, spool)
        if settings.writes_files:
            path = local_path(settings.output_path, os.environ)
            self._local = Lane("local", CAPACITY, payloads.local_envelopes, Route(JsonlSink(path)))
        every: tuple[Lane[Any] | None, ...] = (
            self._detections,
            self._metrics,
            self._logs,
            self._local,
        )
        self.lanes = {lane.name: lane for lane in every if lane is not None}
        self.herald = Herald(self.lanes, self.stats)
        lanes = list(self.lanes.values())
        self.worker = Worker(
            lanes,
            agenda=Agenda(lanes, settings.batch_size, settings.flush_interval),
            request_timeout=settings.request_timeout,
            retry_timeout=settings.retry_timeout,
            after_round=self.herald.after_round,
            chores=[chore for chore in (self._detector, self._sampler) if chore is not None],
            replay=self._replay,
        )
        self._events = RunEvents(self._offer_event)
        self._last_steps = self._events.last_steps  # at hand
        self._numbers = self._metrics.queue if self._metrics is not None else None  # at hand
        self._canary = make_fork_canary()  # last: whoever sees it has all of the above

    # Called by the hook, in the user's threads.

    def announce(self, run: Any, *, resumed: bool = False) -> None:
        """Send the detection record of a run that has begun, unless it is only resumed."""
        if self._detector is not None:
            self._ready_worker()
            self._detector.meet(run, resumed=resumed)
            if self._sampler is not None:
                self._sampler.follow(str(run.id))

    def begin(self, run_id: str) -> None:
        """Say that this process began a run."""
        self._events.begin(run_id)

    def conclude(self, run: Any, exit_code: int) -> None:
        """See off a run that has ended: say so, and wait for delivery while it goes well."""
        run_id = str(run.id)
        if self._sampler is not None:
            self._sampler.leave(run_id)
        self._events.end(run_id, Ending(exit_code, "finish"))
        self.flush(self.settings.finish_timeout)
        if self._detector is not None:
            self._detector.conclude(run_id)

    def record(
        self,
        run_id: str,
        timestamp: float,
        step: int,
        metrics: Mapping[str, float],
        entries: Mapping[str, LogValue],
    ) -> None:
        """Queue what one log call carried for one step, for every lane it concerns."""
        # A plain tuple: a named one takes longer to make, and the fields are only ever unpacked.
        call: LogCall = (run_id, timestamp, step, metrics, entries)  # type: ignore[assignment]
        if self._canary[0] != _ATTENDED:
            self._ready_worker()
        self._last_steps[run_id] = step
        queue = self._numbers
        if queue is not None and metrics and queue.put(call, len(metrics)) >= queue.wake_at:
            self.worker.wake()
        if entries and self._logs is not None:
            self._put(call, self._logs.queue)
        if self._local is not None:
            self._put(call, self._local.queue)

    def _put(self, call: LogCall, queue: BoundedQueue[LogCall], beyond: int = 0) -> None:
        if queue.put(call, 1, beyond) >= queue.wake_at:
            self.worker.wake()

    def _offer_event(self, call: LogCall) -> None:
        if self._logs is not None:
            self._put(call, self._logs.queue, _EVENTS)

    def skip(self, kind: str, count: int) -> None:
        """Count values that are not reported."""
        with self._skip_lock:
            self.skipped[kind] = self.skipped.get(kind, 0) + count

    def _ready_worker(self) -> None:
        if not self._canary[0]:  # forked by something that runs no at-fork hooks
            self.renew_in_child()
        if self._exit_registered_in != self.worker.pid:
            self._exit_registered_in = self.worker.pid
            call_at_exit(self.shutdown)
        if self.settings.sigterm:
            self._sigterm.install()
        self.worker.ensure_running()
        if self.worker.thread is not None:
            self._canary[0] = _ATTENDED

    def flush(self, timeout: float) -> bool:
        """Wait until all is delivered, at most `timeout` seconds and only while that goes well."""
        if self.worker.pid != os.getpid():
            return True
        self._look_for_the_last_time()
        return self.worker.flush(timeout)

    def shutdown(self) -> None:
        """Deliver what is left, within `shutdown_timeout` without progress; nothing is taken after."""
        patience = self.settings.shutdown_timeout
        try:
            self._stop(read_ending, patience, at_most=_DRAIN_FACTOR * patience)
        except KeyboardInterrupt:  # whoever ends the program a second time does not want to wait
            pass

    def _deliver_before_sigterm(self) -> None:
        patience = min(_SIGTERM_SECONDS, self.settings.shutdown_timeout)
        self._stop(lambda: _SIGTERM, patience, at_most=_SIGTERM_SECONDS)

    def _stop(self, ending: Callable[[], Ending], patience: float, at_most: float) -> None:
        with guard.boundary:
            if self.worker.pid == os.getpid():
                with guard.boundary:
                    self._events.end_all(ending())
                self._look_for_the_last_time()
                self.worker.stop(patience, at_most)
                self.herald.close()

    def renew_in_child(self) -> None:
        """Drop what the parent had in hand, which the parent will send."""
        guard.begin_anew()
        with guard.boundary:
            self._sigterm.forget()
            self._assemble()

    def _look_for_the_last_time(self) -> None:
        if self._detector is not None and self.worker.thread is not None:
            with guard.boundary:
                self._detector.look_for_the_last_time()

    # Called by the worker thread, the first one also by the user's.

    def _offer_detection(self, detection: Detection) -> None:
        if self._detections is not None:
            self._detections.queue.put(detection)
            self.worker.wake()

    def _offer_sample(self, run_id: str, step: int, sample: Mapping[str, float]) -> None:
        if self._metrics is not None:
            call = LogCall(run_id, time.time(), step, sample, {})
            self._metrics.queue.put(call, len(sample))

    def _newest_call(self) -> LogCall | None:
        return self._metrics.queue.newest if self._metrics is not None else None

    def _pack_metrics(self, calls: Sequence[LogCall]) -> Iterator[Envelope]:
        if self._sampler is not None and calls:
            self._sampler.note_call(calls[-1])
        return payloads.metrics_envelopes(self.settings, calls)

    def _pack_logs(self, calls: Sequence[LogCall]) -> Iterator[Envelope]:
        return payloads.logs_envelopes(self.settings, calls)

    # Called by anyone.

    def stats(self) -> dict[str, Any]:
        """Return the statistics as a plain, JSON-safe dictionary; see the README for each field."""
        replayed = self._replay.sent if self._replay is not None else 0
        return stats.snapshot(self.settings, self.lanes, self.skipped, replayed)


def local_path(folder: str, environ: Mapping[str, str]) -> str:
    """Return this rank's JSONL file below the output folder."""

    def number(*names: str) -> str:
        return next((environ[name] for name in names if environ.get(name, "").isdigit()), "0")

    node = number("NODE_RANK", "GROUP_RANK", "SLURM_NODEID")
    rank = number("LOCAL_RANK", "SLURM_LOCALID")
    return os.path.join(folder, f"node_{node}", f"rank_{rank}", "wandb_metrics.jsonl")


_exporter: Exporter | None = None


def get_exporter() -> Exporter:
    """Return the exporter of this process; the first call reads the settings and starts nothing."""
    global _exporter
    if _exporter is None:
        loaded = load()
        guard.debug_enabled = loaded.settings.debug
        for warning in loaded.warnings:
            guard.debug(guard.HOOK_PREFIX, f"bad setting: {warning}")
        if loaded.settings.api_reporting and not loaded.settings.has_identity:
            guard.debug(
                guard.HOOK_PREFIX, "neither WORKLOAD_UID nor POD_NAME is set: nothing will be sent"
            )
        _exporter = Exporter(loaded)
        call_after_fork(_exporter.renew_in_child)
    return _exporter
