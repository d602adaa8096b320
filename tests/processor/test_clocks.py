"""Senders whose clocks are wrong."""

from __future__ import annotations

import time
from typing import Any

import pytest

from primus_lens_wandb_exporter.processor.store import Store, Stored
from primus_lens_wandb_exporter.processor.store.clocks import LONGEST_WAY, believe, earliest

from ..support import bodies
from ..support.embedded import Embedded
from .deliveries import delivery

NEVER_SET = 86_400.0  # Unix seconds: a day after the clock's beginning
AHEAD = 3_800_000_000.0  # in 2090
NOW = 10**15  # Unix microseconds


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([], NOW),
        ([NOW - 5, NOW - 9], NOW - 9),
        ([NOW - LONGEST_WAY, NOW], NOW - LONGEST_WAY),
        ([5, NOW - 9], NOW - 9),
        ([5, 6], NOW),
        ([NOW + 1, NOW + 9], NOW),
        ([5, NOW + 9], NOW),
    ],
)
def test_the_earliest_time_is_one_that_can_be_right(stamps: list[int], expected: int) -> None:
    assert earliest(stamps, NOW) == expected
    assert min([believe(stamp, NOW) for stamp in stamps], default=NOW) == expected


def said(kind: str, timestamp: float) -> dict[str, Any]:
    return {"timestamp": timestamp, "data": {"primus_lens.event": {"kind": kind}}}


@pytest.mark.parametrize("clock", [NEVER_SET, AHEAD])
def test_a_run_neither_begins_nor_ends_when_it_cannot_have(taker: Embedded, clock: float) -> None:
    before = time.time_ns() // 1_000_000
    for kind, seconds in (("started", 0), ("finished", 60)):
        body = {**bodies.logs(), "logs": [said(kind, clock + seconds)]}
        assert taker.post("logs", body).status_code == 200
        point = bodies.point(timestamp=clock + seconds)
        assert taker.post("metrics", bodies.metrics(point, timestamp=clock)).status_code == 200
    assert taker.post("detection", {**bodies.detection(), "timestamp": clock}).status_code == 200
    (run,) = taker.get("/runs")["runs"]
    after = time.time_ns() // 1_000_000
    assert before <= run["started"] <= run["ended"] <= run["last_seen"] <= after
    assert run["state"] == "finished"


@pytest.mark.parametrize("clock", [NEVER_SET, AHEAD])
def test_points_keep_the_time_that_they_came_with(taker: Embedded, clock: float) -> None:
    taker.post("metrics", bodies.metrics(bodies.point(timestamp=clock)))
    (row,) = taker.store.points("w")
    assert row["timestamp"] == clock * 1_000_000


def test_a_clock_that_is_set_in_mid_run_does_not_hide_the_end(taker: Embedded) -> None:
    taker.post("logs", {**bodies.logs(), "logs": [said("started", AHEAD)]})
    taker.post("logs", {**bodies.logs(), "logs": [said("finished", time.time())]})
    (run,) = taker.get("/runs")["runs"]
    assert run["state"] == "finished"


def test_a_run_that_was_long_on_its_way_keeps_its_times(taker: Embedded) -> None:
    body = {**bodies.logs(), "logs": [said("started", bodies.NOW), said("finished", bodies.NOW + 60)]}
    taker.post("logs", body)
    (run,) = taker.get("/runs")["runs"]
    assert (run["started"], run["ended"]) == (bodies.NOW * 1000, (bodies.NOW + 60) * 1000)


def test_each_engine_lets_a_run_begin_when_it_can_have(store: Store) -> None:
    points = [Stored("loss", step, stamp, 0.5) for step, stamp in enumerate((5, NOW - 9, 2 * NOW))]
    store.write([delivery("a", points, received=NOW)])
    (run,) = store.runs(NOW)["runs"]
    assert (run["started"], run["last_seen"]) == (NOW - 9, NOW)
