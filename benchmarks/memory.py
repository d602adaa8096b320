"""What the exporter adds to the resident memory of a process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import stand_in
from .pairs import added, interleave
from .table import Row
from .workshop import Workshop

TITLE = "Resident memory"

_ROUNDS = 3
_DEAD_ROUNDS = 2
_CALLS = 1000
_DEAD_CALLS = 1_000_000


def _resident(field: str = "VmRSS") -> float:
    """Return a field of this process's memory, in MiB; see proc_pid_status(5)."""
    with open("/proc/self/status", encoding="ascii") as file:
        line = next(line for line in file if line.startswith(field))
    return int(line.split()[1]) / 1024


def log_in_wandb() -> float:
    """Log to a run of the real wandb, offline; return the memory while the run goes on."""
    import wandb

    run = wandb.init(project="benchmarks")
    for _ in range(_CALLS):
        run.log(stand_in.STEP)
    from primus_lens_wandb_exporter.api_reporter import get_global_reporter

    get_global_reporter().flush(30)
    return _resident()


def log_to_the_dead(hooked: bool) -> float:
    """Log to the stand-in for a long time; return the most memory there ever was."""
    if hooked:
        stand_in.install()
    run = stand_in.Run()
    for _ in range(_DEAD_CALLS):
        run.log(dict(stand_in.STEP))
    return _resident("VmHWM")


def measure(workshop: Workshop) -> Iterator[Row]:
    """Compare processes in turns, with and without the hook."""

    def logged(environ: Mapping[str, str], hooked: bool) -> float:
        return float(workshop.measure(log_in_wandb, hooked=hooked, environ=environ).result)

    def dead(environ: Mapping[str, str], hooked: bool) -> float:
        return float(workshop.measure(log_to_the_dead, hooked, environ=environ).result)

    with workshop.processor() as healthy:
        sides = interleave(
            _ROUNDS,
            {
                "with": lambda: logged(healthy.environ, True),
                "without": lambda: logged(healthy.environ, False),
            },
        )
    yield Row("beside wandb, 1000 calls", added(sides["with"], sides["without"]), "MiB", 8)
    with workshop.processor("refused") as nobody:
        sides = interleave(
            _DEAD_ROUNDS,
            {"with": lambda: dead(nobody.environ, True), "without": lambda: dead(nobody.environ, False)},
        )
    yield Row("nobody listens, 10⁶ calls, peak", added(sides["with"], sides["without"]), "MiB", 32)
