"""What one `wandb.log` call with five floats costs the training thread, over the call itself."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterator
from itertools import permutations
from queue import Queue
from time import perf_counter_ns, thread_time_ns
from typing import Any, Callable

from .pairs import added, interleave, quantile, summarise
from .stand_in import STEP
from .table import Row
from .workshop import Workshop

TITLE = "One `wandb.log` call with five floats"

_BATCH = 400  # calls; less than makes a queue half full
_ROUNDS = 100
_SLOW_ROUNDS = 30
_P50, _P99 = 3.0, 25.0  # µs

Quantiles = list[float]  # p50, p99, p99.9, largest, in µs


def time_calls(log: Callable[[Any], Any], calls: int = _BATCH, pause_ns: int = 0) -> Quantiles:
    """Time single calls, with `pause_ns` of computing between two."""
    gc.collect()
    times = []
    for _ in range(calls):
        started = perf_counter_ns()
        log(STEP)
        ended = perf_counter_ns()
        times.append((ended - started) / 1000)
        while perf_counter_ns() - ended < pause_ns:
            pass
    return _quantiles(times)


def time_in_turns(logs: dict[str, Callable[[Any], Any]]) -> dict[str, Quantiles]:
    """Time single calls of each, one after the other, so that all meet the same weather.

    Each comes after each other equally often: what one leaves behind in the caches, the next one pays.
    """
    gc.collect()
    times: dict[str, list[float]] = {name: [] for name in logs}
    orders = [[*order] for order in permutations(logs.items())]
    for turn in range(_BATCH):
        for name, log in orders[turn % len(orders)]:
            started = perf_counter_ns()
            log(STEP)
            times[name].append((perf_counter_ns() - started) / 1000)
    return {name: _quantiles(of_one) for name, of_one in times.items()}


def _quantiles(times: list[float]) -> Quantiles:
    return [quantile(times, share) for share in (0.5, 0.99, 0.999, 1.0)]


def mean_cost(log: Callable[[Any], Any], calls: int = _BATCH) -> float:
    """Return the CPU time of a call (µs), without a clock between the calls."""
    started = thread_time_ns()
    for _ in range(calls):
        log(STEP)
    return (thread_time_ns() - started) / calls / 1000


def on_stand_in() -> dict[str, Any]:
    """Time the wrapper around nothing: by itself, and with the worker at work."""
    from primus_lens_wandb_exporter.api_reporter import get_global_reporter

    from . import stand_in

    run = stand_in.Run()
    without = run.log
    stand_in.install()
    with_it = run.log
    reporter = get_global_reporter()

    def quiet(measure: Callable[[], Any]) -> Callable[[], Any]:
        def measured() -> Any:
            assert reporter.flush(30), "the processor does not answer"
            return measure()

        return measured

    def batches(measure: Callable[..., Any], **options: Any) -> dict[str, Any]:
        return {
            "with": quiet(lambda: measure(with_it, **options)),
            "without": quiet(lambda: measure(without, **options)),
        }

    time_calls(with_it)  # announces the run, starts the worker
    return {
        "mean": interleave(_ROUNDS, batches(mean_cost)),
        "flat out": interleave(_ROUNDS, batches(time_calls)),
        # Faster than any training, so that the worker has something to do most of the time.
        "paced": interleave(_SLOW_ROUNDS, batches(time_calls, pause_ns=400_000)),
        "queue": [mean_cost(Queue().put_nowait) for _ in range(_ROUNDS)],
        "dropped": reporter.stats["dropped"]["metrics"],
    }


def in_wandb() -> dict[str, Any]:
    """Time calls inside the real wandb, offline: the hooked method, the one it stands for, and that one
    behind a wrapper that only passes the call on, which is the least that any hook costs.
    """
    import wandb

    from primus_lens_wandb_exporter.api_reporter import get_global_reporter

    run = wandb.init(project="benchmarks")
    original = type(run).log.__primus_lens_original__  # type: ignore[attr-defined]
    reporter = get_global_reporter()

    @functools.wraps(original)
    def pass_on(self: Any, *args: Any, **kwargs: Any) -> Any:
        return original(self, *args, **kwargs)

    logs = {
        "with": wandb.log,
        "without": original.__get__(run),
        "passed on": pass_on.__get__(run),  # type: ignore[attr-defined]
    }
    time_in_turns(logs)
    rounds = []
    for _ in range(_SLOW_ROUNDS):
        assert reporter.flush(30), "the processor does not answer"
        rounds.append(time_in_turns(logs))
    run.finish()
    return {name: [times[name] for times in rounds] for name in logs}


def in_swanlab() -> dict[str, Any]:
    """Time calls inside the real wandb, offline, mirrored by SwanLab into its own offline mode."""
    import swanlab
    import wandb

    original = wandb.sdk.wandb_run.Run.log
    swanlab.sync_wandb(mode="offline")
    run = wandb.init(project="benchmarks")
    time_calls(run.log)
    variants = {
        "with": lambda: time_calls(run.log),
        "without": lambda: time_calls(lambda data: original(run, data)),
    }
    times = interleave(_SLOW_ROUNDS // 2, variants)
    run.finish()
    return times


def on_gauges() -> dict[str, list[Quantiles]]:
    """Time setting five gauges of Prometheus' client and of OpenTelemetry's SDK."""
    import prometheus_client
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    meter = MeterProvider([InMemoryMetricReader()]).get_meter("benchmarks")
    prometheus = {name: prometheus_client.Gauge(name, name) for name in STEP}
    otel = {name: meter.create_gauge(name) for name in STEP}

    def set_all(gauges: dict[str, Any]) -> Callable[[dict[str, float]], None]:
        def log(data: dict[str, float]) -> None:
            for name, value in data.items():
                gauges[name].set(value)

        return log

    logs = {"Prometheus gauges": set_all(prometheus), "OpenTelemetry gauges": set_all(otel)}
    return interleave(_ROUNDS, {name: (lambda log=log: time_calls(log)) for name, log in logs.items()})


def measure(workshop: Workshop) -> Iterator[Row]:
    """Time batches of calls in turns, with and without."""
    with workshop.processor() as processor:
        stand_in = workshop.measure(on_stand_in, environ=processor.environ).result
        real = workshop.measure(in_wandb, environ=processor.environ).result
    mean = stand_in["mean"]
    yield Row("around nothing: mean CPU", added(mean["with"], mean["without"]), "µs")
    yield from _rows("around nothing", stand_in["flat out"], budget=True)
    yield from _rows("around nothing, 2000 calls/s", stand_in["paced"], budget=True)
    yield from _rows("in wandb offline", real, budget=True)
    passed_on = {"with": real["passed on"], "without": real["without"]}
    yield from _rows("a wrapper that only passes on, in wandb offline", passed_on, peer=True)
    yield Row("`queue.Queue.put_nowait` alone", summarise(stand_in["queue"]), "µs", peer=True)
    yield Row(f"lost while at it: {stand_in['dropped'] or 'nothing'}", None)
    python = workshop.peers
    if python is None:
        yield Row(f"peers left out: {workshop.no_peers}", None, peer=True)
        return
    for name, times in workshop.measure(on_gauges, python=python, hooked=False).result.items():
        yield Row(f"{name}, p50", summarise([quantiles[0] for quantiles in times]), "µs", peer=True)
    mirrored = workshop.measure(in_swanlab, python=python, hooked=False).result
    yield from _rows("SwanLab in wandb offline", mirrored, peer=True)


def _rows(
    what: str, times: dict[str, list[Quantiles]], *, budget: bool = False, peer: bool = False
) -> Iterator[Row]:
    limits = (_P50, _P99, None, None) if budget else (None,) * 4
    for index, (name, limit) in enumerate(zip(("p50", "p99", "p99.9", "largest"), limits)):
        sides = ([quantiles[index] for quantiles in times[side]] for side in ("with", "without"))
        if index < 2 or not peer:
            yield Row(f"{what}, {name} of {_BATCH}", added(*sides), "µs", limit, peer)
