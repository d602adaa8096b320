"""How much longer a process takes to leave, from its last log call on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial

from .pairs import added, interleave
from .stand_in import STEP
from .table import Row
from .workshop import Workshop

TITLE = "Time to exit, wandb offline, 200 calls waiting"

_CALLS = 200
_ROUNDS = {"healthy": 4, "refused": 4, "hanging": 2}
_BUDGETS = {"healthy": None, "refused": 1.0, "hanging": 5.0}


def log_and_leave(finish: bool) -> float:
    """Log to the real wandb, offline; return when (monotonic seconds) the last call returned."""
    import wandb

    run = wandb.init(project="benchmarks")
    for _ in range(_CALLS):
        run.log(STEP)
    last = time.monotonic()
    if finish:
        run.finish()
    return last


def measure(workshop: Workshop) -> Iterator[Row]:
    """Let processes leave in turns, with and without the hook."""

    def leave(environ: Mapping[str, str], finish: bool, hooked: bool) -> float:
        last, ended_at = workshop.measure(log_and_leave, finish, hooked=hooked, environ=environ)
        return ended_at - float(last)

    for behaviour, rounds in _ROUNDS.items():
        for finish in (False, True):
            with workshop.processor(behaviour) as processor:
                timed = partial(leave, processor.environ, finish)
                sides = interleave(
                    rounds, {"with": partial(timed, True), "without": partial(timed, False)}
                )
            what = f"endpoint {behaviour}{', after `run.finish()`' if finish else ''}"
            yield Row(what, added(sides["with"], sides["without"]), "s", _BUDGETS[behaviour])
