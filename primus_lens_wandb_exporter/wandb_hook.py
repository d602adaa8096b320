"""Which wandb attributes are wrapped, and what each wrapper reports.

`Run.log` is wrapped on the class: `wandb.log` is that method, bound by wandb at `init`, and most
trainers call `run.log`, so every call is seen exactly once. `init` is replaced under each name
that wandb gives it, so that a reload of wandb finds it wrapped and it stays picklable.
"""

from __future__ import annotations

import functools
import os
import sys
import weakref
from collections.abc import Mapping
from time import time
from typing import Any, Callable

from . import guard
from .capture import LogValue, capture, plain_numbers
from .compute_log import log_compute_metadata
from .exporter import Exporter, get_exporter
from .patching import Patches
from .run_events import to_exit_code
from .steps import WELL_KNOWN, StepMetrics, group_by_step, to_step, well_known_step

_patches = Patches()
_NO_ENTRIES: dict[str, LogValue] = {}


def install(wandb: Any) -> None:
    """Wrap wandb's functions; on a module that is not W&B's (a folder named `wandb`), do nothing."""
    run_module = sys.modules.get("wandb.sdk.wandb_run")
    run_class = getattr(run_module, "Run", None)
    if run_class is None or not hasattr(wandb, "init"):
        return
    with guard.boundary:
        get_exporter()
        for name in ("wandb.sdk.wandb_init", "wandb.sdk", "wandb"):
            module = sys.modules.get(name)
            if callable(getattr(module, "init", None)):
                _patches.wrap(module, "init", _wrap_init)
        _patches.wrap(run_class, "log", _wrap_log)
        _patches.wrap(run_class, "define_metric", _wrap_define_metric)
        # A `with` block ends in `_finish`, and `finish` passes through it.
        finish = "_finish" if hasattr(run_class, "_finish") else "finish"
        _patches.wrap(run_class, finish, _wrap_finish)
        guard.debug(
            guard.HOOK_PREFIX, f"hook installed, wandb {getattr(wandb, '__version__', 'unknown')}"
        )


def uninstall() -> None:
    """Put wandb's own functions back."""
    _patches.undo()


class _RunState:
    """What we know of one run object of this process."""

    def __init__(self, run: Any) -> None:
        self.run = weakref.ref(run)
        self.id = str(run.id)
        self.exporter = get_exporter()
        self.reported = bool(self.exporter.lanes) and not _is_disabled(run)
        self.counts_alone = self.reported  # no step metric was defined: the run's counter is the step
        self.step_metrics = StepMetrics()
        self.calls = 0


_states: dict[int, _RunState] = {}  # by id() of the run object
_announced: set[str] = set()  # ids of runs


def _is_disabled(run: Any) -> bool:
    """Return whether a run only pretends (`mode="disabled"`)."""
    return type(run).__name__ in ("NoopRun", "RunDisabled") or bool(getattr(run, "disabled", False))


def _state_of(run: Any) -> _RunState:
    state = _states.get(id(run))
    return state if state is not None and state.run() is run else _meet(run)


def _meet(run: Any) -> _RunState:
    """Return the state of a run object not seen before, and announce its run unless that was done.

    A run may come from somewhere else than our `init`: a reference to the original taken earlier,
    a run unpickled in another process.
    """
    state = _RunState(run)
    for key in [key for key, known in list(_states.items()) if known.run() is None]:
        _states.pop(key, None)
    _states[id(run)] = state
    if state.reported:
        resumed = state.id in _announced
        _announced.add(state.id)
        guard.debug(guard.HOOK_PREFIX, f"wandb.init seen, run {state.id}")
        state.exporter.announce(run, resumed=resumed)
        if getattr(run, "_init_pid", None) in (None, os.getpid()):  # else it is another process's
            state.exporter.begin(state.id)
    return state


def _wrap_init(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def init(*args: Any, **kwargs: Any) -> Any:
        run = original(*args, **kwargs)
        with guard.boundary:
            if hasattr(run, "log") and not _is_disabled(run):
                exporter = _state_of(run).exporter
                if exporter.settings.log_compute_metadata:
                    log_compute_metadata(run, exporter.collector)
        return run

    return init


def _wrap_log(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def log(self: Any, *args: Any, **kwargs: Any) -> Any:
        attributes = self.__dict__
        counter = attributes.get("_local_step")  # `_step` before wandb 0.27
        if counter is None:
            counter = attributes.get("_step")
        result = original(self, *args, **kwargs)
        try:
            state = _states.get(id(self))
            if state is None or state.run() is not self:
                state = _meet(self)
            if state.counts_alone and len(args) == 1 and not kwargs and counter is not None:
                numbers = plain_numbers(args[0])
                if numbers and WELL_KNOWN.isdisjoint(numbers):  # as it mostly is
                    state.exporter.record(state.id, time(), counter, numbers, _NO_ENTRIES)
                    return result
            if state.reported:
                _report_call(state, counter, *args, **kwargs)
        except Exception as error:
            guard.swallow(error)
        return result

    return log


def _report_call(
    state: _RunState,
    counter: int | None,
    data: Mapping[str, Any],
    step: Any = None,
    *_: Any,  # what else wandb's `log` takes, now or later
    **__: Any,
) -> None:
    exporter = state.exporter
    numbers = plain_numbers(data)
    if numbers is not None:
        metrics, entries = numbers, _NO_ENTRIES
    else:
        metrics, entries, skipped = capture(data)
        for kind, count in skipped.items():
            exporter.skip(kind, count)
    if not (metrics or entries):
        return
    explicit = None if step is None else to_step(step)
    if explicit is not None:
        if counter is not None and explicit < counter:  # wandb drops what comes late
            exporter.skip("step is behind", len(metrics) + len(entries))
            return
        step = explicit
    else:
        step = state.calls if counter is None else counter
        state.calls += 1
        if not WELL_KNOWN.isdisjoint(metrics):
            step = well_known_step(metrics, step)
    timestamp = time()
    if explicit is None and state.step_metrics.defined:
        _record_by_step_metric(exporter, state, timestamp, step, metrics, entries)
    else:
        exporter.record(state.id, timestamp, step, metrics, entries)


def _record_by_step_metric(
    exporter: Exporter,
    state: _RunState,
    timestamp: float,
    default: int,
    metrics: dict[str, float],
    entries: dict[str, LogValue],
) -> None:
    metrics_by_step = group_by_step(metrics, metrics, state.step_metrics, default)
    entries_by_step = group_by_step(entries, metrics, state.step_metrics, default)
    for step in {**metrics_by_step, **entries_by_step}:
        of_step = metrics_by_step.get(step, {}), entries_by_step.get(step, {})
        exporter.record(state.id, timestamp, step, *of_step)


def _wrap_define_metric(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def define_metric(self: Any, *args: Any, **kwargs: Any) -> Any:
        metric = original(self, *args, **kwargs)
        with guard.boundary:
            if metric is not None and metric.step_metric:
                state = _state_of(self)
                state.counts_alone = False
                state.step_metrics.define(metric.name, metric.step_metric)
        return metric

    return define_metric


def _wrap_finish(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def finish(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        with guard.boundary:
            get_exporter().conclude(self, _exit_code(self, *args, **kwargs))
        return result

    return finish


def _exit_code(run: Any, exit_code: Any = None, *_: Any, **__: Any) -> int:
    """Return the exit code that W&B gives to a run which `finish` was called for."""
    return to_exit_code(exit_code or getattr(run, "_exit_code", None))
