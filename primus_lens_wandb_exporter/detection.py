"""Detection records: one when a run begins, another when a framework is first loaded after that."""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock
from time import monotonic
from typing import Any, Callable, NamedTuple

from . import guard, hints, payloads
from .delivery.courtesy import give_way
from .delivery.envelope import Envelope
from .evidence import Collector
from .evidence.frameworks import find_names, is_loading
from .evidence.run import describe
from .settings import Settings

_MAX_RECORDS = 3  # of one run


class _OpenRun:
    """What we know of a run that has begun and not ended."""

    def __init__(self, run: Any) -> None:
        self._run = weakref.ref(run)
        self.description = describe(run, config=False)
        self.describe_anew()
        self.records = 0
        self.frameworks: frozenset[str] | None = None  # that the last record named

    def describe_anew(self) -> Mapping[str, Any]:
        """Return what the run says of itself now, or said before if it is in the middle of a change."""
        run = self._run()
        if run is not None:
            try:
                self.description = describe(run)
            except RuntimeError:  # its config was changed while we read it
                pass
        return self.description


class Detection(NamedTuple):
    """A record to be made, and when it was due (Unix seconds)."""

    run: _OpenRun
    timestamp: float


class Detector:
    """Offers a record when it meets a run, and looks now and then whether another is due.

    Args:
        offer: takes a record that is due, to give it to `pack` later, in the worker's thread.
        interval: seconds between two looks; what is found must have lasted from one to the next.
    """

    def __init__(
        self,
        settings: Settings,
        collector: Collector,
        offer: Callable[[Detection], None],
        interval: float,
    ) -> None:
        self._settings = settings
        self._collector = collector
        self._offer = offer
        self._interval = interval
        self._open: dict[str, _OpenRun] = {}
        self._looking = Lock()
        self._seen: frozenset[str] = frozenset()
        self.due_at = monotonic() + interval

    def meet(self, run: Any, *, resumed: bool = False) -> None:
        """Offer the first record of a run, unless it had one before."""
        run_id = str(run.id)
        self._open[run_id] = met = _OpenRun(run)
        if resumed:
            met.records, met.frameworks = 1, frozenset(find_names(self._collector.probe))
        else:
            self._offer_record(met)

    def conclude(self, run_id: str) -> None:
        """Expect no more of a run that has ended."""
        self._open.pop(run_id, None)

    def perform(self) -> None:
        """Look whether a framework has been loaded, and is there to stay."""
        self.due_at = monotonic() + self._interval
        self._look(at_once=False)

    def look_for_the_last_time(self) -> None:
        """Look whether a framework has been loaded; there may be no later occasion to say so."""
        self._look(at_once=True)

    def _look(self, *, at_once: bool) -> None:
        probe = self._collector.probe
        if not self._open or (is_loading(probe) and not at_once):
            return
        if not self._looking.acquire(blocking=False):
            return
        try:
            found = frozenset(find_names(probe))
            settled = at_once or found == self._seen
            late = self._collector.has_late_answers
            self._seen = found
            for run in list(self._open.values()):
                if settled and run.frameworks is not None and (found - run.frameworks or late):
                    self._offer_record(run)
        finally:
            self._looking.release()

    def _offer_record(self, run: _OpenRun) -> None:
        if run.records < _MAX_RECORDS:
            run.records += 1
            run.frameworks = None  # until this record names them
            self._offer(Detection(run, time.time()))

    def pack(self, detections: Sequence[Detection]) -> Iterator[Envelope]:
        """Yield the records: here all evidence is collected."""
        for run, timestamp in detections:
            described = run.description if run.records == 1 else run.describe_anew()
            found = self._collector.collect(described)
            hinted = hints.build_hints(found)
            give_way()
            named = (*found.get("wrapper_frameworks", ()), *found.get("base_frameworks", ()))
            run.frameworks = frozenset(named)
            guard.debug(
                guard.HOOK_PREFIX,
                f"run {described.get('id')}: frameworks {hinted['possible_frameworks'] or 'none'}, "
                f"confidence {hinted['confidence']}",
            )
            yield payloads.detection_envelope(self._settings, found, hinted, timestamp)
