"""Runs as users have them, for the page: posted to a processor, or written into its store.

By hand: ``python -m tests.support.seed http://127.0.0.1:8080 --runs 24 --steps 2000 --live``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from primus_lens_wandb_exporter.processor.ingest.decode import Origin, decode, identify
from primus_lens_wandb_exporter.processor.store import SECOND, Store
from primus_lens_wandb_exporter.processor.store.identity import run_id

from .bodies import detection
from .curves import STYLES, values_at

MAX_POINTS = 1000  # in one body

Body = tuple[str, dict[str, Any]]  # the kind of path, and what is posted there


@dataclass(frozen=True)
class Run:
    """One run; `started` in Unix seconds, `interval` in seconds a step, `outcome` one of the states."""

    workload: str
    run_id: str
    name: str
    style: str
    outcome: str
    started: float
    project: str = "pretraining"
    steps: int = 500
    interval: float = 2.0
    gpus: int = 8
    gpu_name: str = "AMD Instinct MI300X"
    config: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What the processor's own API calls it."""
        return format(run_id(self.workload, self.run_id), "016x")

    @property
    def done(self) -> int:
        """Steps that were logged: one that broke down did not come to the end."""
        return self.steps if self.outcome == "finished" else self.steps * 3 // 5

    @property
    def last(self) -> float:
        """When it was heard of last."""
        return self.started + self.done * self.interval


def make_runs(count: int = 12, steps: int = 500, now: float | None = None) -> list[Run]:
    """Return runs in every state and style, the same ones each time; `now` in Unix seconds.

    Of four that follow one another one each has finished, failed on a NaN, crashed and is running; each
    style comes four times in twelve, with learning rate, seed and batch size that differ.
    """
    now = time.time() if now is None else now
    states = ("finished", "running", "failed", "crashed")
    styles = tuple(STYLES)
    runs = []
    for number in range(count):
        outcome, style = states[number % 4], styles[number // 4 % 3]
        project = {"transformers": "pretraining", "lightning": "vision"}.get(style, "baseline")
        gpus, gpu_name = ((8, "AMD Instinct MI300X"), (4, "NVIDIA H100"), (0, ""))[number // 4 % 3]
        run = Run(
            workload=f"{project}-{number // 4:02d}",
            run_id=f"run{number:04d}",
            name=f"{('brisk', 'calm', 'eager', 'frosty', 'golden')[number % 5]}-{project}-{number}",
            style=style,
            outcome=outcome,
            started=0,
            project=project,
            steps=steps,
            gpus=gpus,
            gpu_name=gpu_name,
            config={
                "framework": style or "pytorch",
                "optimizer": {"name": "adamw", "lr": (3e-4, 1e-3)[number % 2], "betas": [0.9, 0.95]},
                "batch_size": 32 << number % 3,
                "layers": 24,
                "precision": "bf16",
                "seed": number,
            },
            tags=("baseline",) if number % 4 == 0 else ("sweep", f"lr-{number % 2}"),
        )
        ago = {"running": 0.0, "crashed": 3600.0}.get(outcome, 600.0 * number)
        runs.append(replace(run, started=now - ago - run.done * run.interval))
    return runs


def bodies(run: Run) -> Iterator[Body]:
    """Return what the exporter would have posted of a run, in its order."""
    yield "detection", _detection(run)
    yield "logs", _event(run, run.started, {"kind": "started"})
    yield from steps_of(run, range(run.done))
    yield "logs", {**_head(run), "logs": _entries(run)}
    if run.outcome == "finished":
        yield "logs", _event(run, run.last, {"kind": "finished", "exit_code": 0, "cause": "finish"})
    if run.outcome == "failed":
        how = {"kind": "failed", "exit_code": 1, "cause": "FloatingPointError"}
        yield "logs", _event(run, run.last, how)


def steps_of(run: Run, steps: Iterable[int]) -> Iterator[Body]:
    """Return the points of some of its steps."""
    points: list[dict[str, Any]] = []
    for step in steps:
        values = values_at(run.run_id, run.style, step, step / run.steps, run.gpus)
        at = run.started + step * run.interval
        points += [
            {"name": name, "value": value, "step": step, "timestamp": at, "tags": {}}
            for name, value in values.items()
        ]
        if len(points) > MAX_POINTS - 50:
            yield "metrics", {**_head(run), "metrics": points}
            points = []
    if points:
        yield "metrics", {**_head(run), "metrics": points}


def post(url: str, bodies: Iterable[Body], token: str = "") -> None:
    """Post bodies to a processor, as fast as it takes them."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=f"{url}/api/v1/wandb", headers=headers, trust_env=False) as client:
        for kind, body in bodies:
            client.post(f"/{kind}", json=body).raise_for_status()


def put(store: Store, run: Run, received: float | None = None) -> None:
    """Write a run into a store as if all of it had been received then: by default when it last logged.

    So one can crash whose last word is old, which no client can feign: states go by the server's clock.
    """
    at = run.last if received is None else received
    for kind, body in bodies(run):
        content = json.dumps(body).encode()
        origin = Origin(identify(kind, "", content), round(at * SECOND))
        store.write(list(decode(kind, content, origin).values()))


def _head(run: Run) -> dict[str, Any]:
    return {
        "source": "wandb",
        "workload_uid": run.workload,
        "pod_uid": f"{run.workload}-uid",
        "pod_name": f"{run.workload}-worker-0",
        "run_id": run.run_id,
        "timestamp": run.last,
    }


def _detection(run: Run) -> dict[str, Any]:
    frameworks = {run.style: {"detected": True, "version": "4.44.0", "in_use": True}}
    wrappers = frameworks if run.style == "lightning" else {}
    bases = frameworks if run.style == "transformers" else {}
    told = {"project": run.project, "name": run.name, "id": run.run_id}
    whole = detection(
        wandb={**told, "config": run.config, "tags": list(run.tags)},
        environment={"WORLD_SIZE": str(run.gpus)},
        wrapper_frameworks=wrappers,
        base_frameworks=bases,
        hardware={
            "gpu_name": run.gpu_name,
            "gpu_count": run.gpus,
            "gpu_count_host": 8 if run.gpus else 0,
            "gpu_memory_gb": 192.0 if run.gpus else 0,
            "gpus": [{"index": index, "name": run.gpu_name} for index in range(run.gpus)],
        },
    )
    hints = {"wrapper_frameworks": list(wrappers), "base_frameworks": list(bases)}
    whole["hints"].update(hints, possible_frameworks=[*wrappers, *bases])
    head = {name: value for name, value in _head(run).items() if name != "run_id"}
    return {**whole, **head, "timestamp": run.started}


def _event(run: Run, at: float, event: dict[str, Any]) -> dict[str, Any]:
    said = {"host": f"node-{run.run_id[-1]}", "pid": 4711, "exit_code": None, "cause": "", **event}
    entry = {"step": 0, "timestamp": at, "data": {"primus_lens.event": said}}
    return {**_head(run), "logs": [entry]}


def _entries(run: Run) -> list[dict[str, Any]]:
    """Return what it logged besides numbers; one that failed logged NaN where its loss stands."""
    found = [(0, {"phase": "warm-up"}), (run.done // 2, {"checkpoint": f"/ckpt/{run.done // 2}.pt"})]
    if run.outcome == "failed":
        loss = next(iter(STYLES[run.style]))
        found += [(step, {loss: "NaN"}) for step in range(run.done - 3, run.done)]
    return [
        {"step": step, "timestamp": run.started + step * run.interval, "data": data}
        for step, data in found
    ]


def _feed(url: str, runs: Iterable[Run], token: str) -> None:
    """Let the runs that are running log a step each `interval`, until interrupted."""
    alive = [run for run in runs if run.outcome == "running"]
    step = max(run.done for run in alive)
    while True:
        for run in alive:
            post(url, steps_of(replace(run, started=time.time() - step * run.interval), [step]), token)
        step += 1
        time.sleep(min(run.interval for run in alive))


def _main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url")
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--live", action="store_true", help="go on logging, until interrupted")
    parser.add_argument("--token", default="", help="that lets ingest")
    options = parser.parse_args()
    runs = make_runs(options.runs, options.steps)
    for run in runs:
        post(options.url, bodies(run), options.token)
        print(f"{run.outcome}\t{run.workload}\t{run.name}")
    if options.live:
        _feed(options.url, runs, options.token)


if __name__ == "__main__":
    _main()
